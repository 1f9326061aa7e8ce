begin;
select plan(7);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [{
  "key": "intro", "channel": "email", "subject": "100% for {{ contact.attributes.evil }} %s",
  "text": "50% {{ contact.attributes.evil }} %1$s", "html": "<b>{{ contact.attributes.evil }}</b> %%"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann', jsonb_build_object(
  'first_name', 'Ann', 'attributes', jsonb_build_object('evil', e'<i> & "x" ''y'' %2$s {{ z }}\r\nBcc: all@example.com')
)),
drip_test.contact(drip_test.org(), 'bob', jsonb_build_object('first_name', e'Bob\r\nBcc: all@example.com', 'attributes', '{"evil": "x"}'::jsonb))]);

create temporary table m as
select
  c.subject,
  c.text_body,
  c.html_body,
  c.to_name,
  c.headers,
  c.to_address
from drip.claim(organization_id => drip_test.org()) as c;

select
  is(
    m.subject, '100% for <i> & "x" ''y'' %2$s {{ z }} Bcc: all@example.com %s',
    'a subject takes values as they are, on one line: no header can be injected'
  )
from m
where m.to_address like 'ann%';
select is(drip_test.without_footer(m.text_body), e'50% <i> & "x" ''y'' %2$s {{ z }}\r\nBcc: all@example.com %1$s', 'a text body takes values as they are')
from m
where m.to_address like 'ann%';
select
  is(
    drip_test.without_footer(m.html_body), e'<b>&lt;i&gt; &amp; &quot;x&quot; &#39;y&#39; %2$s {{ z }}\r\nBcc: all@example.com</b> %%',
    'an html body takes values escaped'
  )
from m
where m.to_address like 'ann%';
select is((
  select count(*) from m
  where m.headers::text ~ '\\[rn]'
), 0::bigint, 'no header has a line break');
select is((
  select count(*) from m
  where m.subject ~ '[\r\n]'
), 0::bigint, 'no subject has a line break');
select is((
  select count(*) from m
  where m.to_name ~ '[\r\n]'
), 0::bigint, 'no name has a line break, as it becomes part of a header');
select is((select count(*) from m), 2::bigint, 'both messages go out');

select finish();
rollback;
