begin;
select plan(10);
select
  drip_test.organization(
    'Smith & Sons', settings => '{"postal_address": "1 Example Street,\r\n Exampleton \n", "public_base_url": "https://mail.example.com/a&b"}'
  );
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'phone');
select drip_test.email_sequence(drip_test.org(), 'plain', 1, '{"steps": [{"key": "a", "channel": "email", "subject": "x", "text": "Hi",
  "html": "<html><body>&lt;/body&gt; <p>Hi</p></BODY>\n</html>"}]}');
select drip_test.at_all_times(drip_test.org());
select drip_test.email_sequence(drip_test.org(), 'own', 1, '{"steps": [{"key": "a", "channel": "email", "subject": "x {{ unsubscribe_url }}",
  "text": "Hi {{unsubscribe_url}}", "html": "<a href=\"{{ unsubscribe_url | default: ''x'' }}\">no more</a>{{ organization.imprint }}"}]}');
select
  drip_test.email_sequence(
    drip_test.org(), 'half', 1, '{"steps": [{"key": "a", "channel": "email", "subject": "x", "text": "{{ unsubscribe_url }}", "html": "<p>Hi</p>"}]}'
  );
select count(*)
from drip.apply_sequence(
    drip_test.org(), '{"key": "chats", "steps": [{"key": "a", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi {{ unsubscribe_url }}"}]}'
  );
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456"}'));
select count(*) from unnest(array['plain', 'own', 'half', 'chats']) as k (key)
cross join lateral drip.enroll(drip_test.org(), k.key, drip_test.kept('ann'));
create temporary table c on commit drop as select * from drip.claim(organization_id => drip_test.org());
select
  is(
    c.text_body, e'Hi\n\n---\nSmith & Sons, 1 Example Street, Exampleton\nUnsubscribe: https://mail.example.com/a&b/u/' || c.link_token || e'\n',
    'a text ends with postal address and link'
  )
from c
where c.sequence_key = 'plain';
select
  is(
    c.html_body,
    '<html><body>&lt;/body&gt; <p>Hi</p><p style="font-size:12px;color:#595959">Smith &amp; Sons, 1 Example Street, Exampleton<br>'
    || '<a href="https://mail.example.com/a&amp;b/u/' || c.link_token || e'">Unsubscribe</a></p></BODY>\n</html>',
    'so does html, inside its body'
  )
from c
where c.sequence_key = 'plain';
select is(c.text_body, 'Hi https://mail.example.com/a&b/u/' || c.link_token, 'a text that places the link itself stays as it is')
from c
where c.sequence_key = 'own';
select
  is(
    c.html_body,
    '<a href="https://mail.example.com/a&amp;b/u/' || c.link_token || '">no more</a>Smith &amp; Sons, 1 Example Street, Exampleton', 'html, too'
  )
from c
where c.sequence_key = 'own';
select is(c.subject, 'x https://mail.example.com/a&b/u/' || c.link_token, 'a subject may have it as well') from c
where c.sequence_key = 'own';
select
  is(
    concat_ws(' | ', c.text_body, cardinality(string_to_array(c.html_body, c.link_token)) - 1), 'https://mail.example.com/a&b/u/' || c.link_token || ' | 1',
    'each body is looked at for itself'
  )
from c
where c.sequence_key = 'half';
select is(c.text_body, 'Hi https://mail.example.com/a&b/u/' || c.link_token, 'a chat message gets no footer, and may have a link')
from c
where c.sequence_key = 'chats';
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', c.organization_id, 'enrollment_id', c.enrollment_id, 'claim_token', c.claim_token)) from c
));
select drip.update_organization(drip_test.org(), '{"postal_address": "2 Other Street"}');
select
  is(
    drip.get_message(drip_test.org(), c.enrollment_id, 'a') ->> 'html_body', c.html_body, 'what was sent is shown as it was sent'
  )
from c
where c.sequence_key = 'plain';
select drip.update_organization(drip_test.org(), '{"postal_address": null}');
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select count(*) from drip.enroll(drip_test.org(), 'plain', drip_test.kept('bob'));
select matches(
  (select m.text_body from drip.claim(organization_id => drip_test.org()) as m),
  '^Hi\n\n---\nSmith & Sons\nUnsubscribe: https://',
  'without an address the name stands alone'
);
select is(
  (select s.version from drip.apply_sequence(drip_test.org(), drip.get_sequence(drip_test.org(), 'plain')) as s), 1,
  'the footer is no part of the definition'
);
select * from finish();
rollback;
