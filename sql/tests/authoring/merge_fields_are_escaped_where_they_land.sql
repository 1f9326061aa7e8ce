begin;
select plan(8);
select drip_test.organization('Smith & Sons');
select drip_test.mailbox(drip_test.org(), 'box', '{"display_name": "Sales"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [{"key": "a", "channel": "email",
  "subject": "For {{ contact.company }}: 100% {{ contact.attributes.plan | default: ''free'' }}",
  "text": "Hi {{contact.first_name}}, {{ contact.last_name | default: \"\" }}{{ contact.company }} {{ unsubscribe_url }} %s %1$s \\ {one}",
  "html": "<p title=\"{{ contact.company }}\">{{ contact.first_name }} at {{ organization.name }}, {{ sender.display_name }}</p>"}]}');
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.contact(
    drip_test.org(), 'ann',
    jsonb_build_object('first_name', '<b>{{ contact.email }}</b>', 'company', e'Evil"\r\nBcc: x@example.net')
  ));
create temporary table claimed on commit drop as select * from drip.claim(organization_id => drip_test.org());
select is((select subject from claimed), 'For Evil" Bcc: x@example.net: 100% free', 'no value breaks a header line, a default fills a missing one');
select is(
  (select drip_test.without_footer(html_body) from claimed),
  e'<p title="Evil&quot;\r\nBcc: x@example.net">&lt;b&gt;{{ contact.email }}&lt;/b&gt; at Smith &amp; Sons, Sales</p>',
  'values are escaped in html, and never taken for templates'
);
select is(
  (select text_body from claimed),
  format(e'Hi <b>{{ contact.email }}</b>, Evil"\r\nBcc: x@example.net https://mail.example.com/u/%s %%s %%1$s \\ {one}', (select link_token from claimed)),
  'text is taken as it is, percent signs and braces included'
);
select is(
  (select (to_address, to_name, from_address, from_name)::text from claimed),
  '(ann@example.net,"<b>{{ contact.email }}</b>",box@sender.example,Sales)', 'addresses and names come from contact and sender'
);

-- what is sent is what is read later, whatever happens to the contact
select
  drip_test.report(
    (select jsonb_agg(jsonb_build_object('organization_id', organization_id, 'enrollment_id', enrollment_id, 'claim_token', claim_token)) from claimed)
  );
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "first_name": "Someone Else", "email": "new@example.net", "company": "Other"}');
select drip.apply_channel_account(drip_test.org(), '{"key": "box", "display_name": "Support"}');
select is(
  drip.get_message(
    drip_test.org(), drip_test.kept('e'), 'a') - array[
    'enrollment_id', 'step_key', 'version', 'channel', 'channel_account_key',
    'status', 'reason', 'attempts', 'settled_at', 'provider_message_id', 'error_code', 'error_message'
  ],
  (
    select
      to_jsonb(
        c) - array[
        'organization_id', 'enrollment_id', 'claim_token', 'channel', 'channel_account_id', 'provider', 'config', 'secret_ref',
        'attempt', 'is_test', 'sequence_key', 'step_key', 'lease_expires_at'
      ]
    from claimed as c
  ),
  'a message reads as it was sent after contact and sender changed: addresses, subject, bodies, tokens, headers'
);
select is(
  (
    select (m ->> 'status', m ->> 'step_key', m ->> 'channel_account_key', m ->> 'attempts')::text
    from drip.get_message(drip_test.org(), drip_test.kept('e'), 'a') as m
  ),
  '(sent,a,box,1)', 'and says how it ended'
);
select matches(
  drip_test.error_of('select drip.get_message(drip_test.org(), drip_test.kept(''e''), ''b'')'), '^PT404 \| message not found',
  'PT404: a message that there is not'
);
select drip_test.no_violations();
select * from finish();
rollback;
