begin;
select plan(25);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization('Acme', 'Europe/Berlin');
select drip_test.mailbox(drip_test.org(), 'sales', '{"config": {"host": "smtp.example.com", "port": 587}, "secret_ref": "SMTP_PASSWORD"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"steps": [{
  "key": "intro", "channel": "email", "subject": "Hi {{ contact.first_name }}",
  "text": "Dear {{ contact.first_name }}, {{ contact.company | default: ''all'' }}", "html": "<p>{{ contact.first_name }}</p>"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[
  drip_test.contact(drip_test.org(), 'ann', '{"last_name": "Lee"}')
]);

create temporary table m as
select
  c.organization_id,
  c.enrollment_id,
  c.claim_token,
  c.message_token,
  c.link_token,
  c.channel,
  c.channel_account_id,
  c.provider,
  c.config,
  c.secret_ref,
  c.to_address,
  c.to_name,
  c.from_address,
  c.from_name,
  c.subject,
  c.text_body,
  c.html_body,
  c.template,
  c.headers,
  c.attempt,
  c.is_test,
  c.sequence_key,
  c.step_key,
  c.lease_expires_at
from drip.claim(batch_size => 10, lease => '7 minutes', runner => 'r1', organization_id => drip_test.org()) as c;

select is(m.organization_id, drip_test.org(), 'organization_id') from m;
select is(m.enrollment_id, drip_test.enrollment('ann'), 'enrollment_id') from m;
select is(m.claim_token, e.claim_token, 'claim_token is the one of the lease')
from m inner join drip_core.enrollments as e on m.enrollment_id = e.id and m.organization_id = e.organization_id;
select matches(m.message_token, '^[A-Za-z0-9_-]{32,}$', 'message_token is an opaque word') from m;
select isnt(m.link_token, m.message_token, 'link_token is not the message token (L4)') from m;
select is(m.channel::text, 'email', 'channel') from m;
select is(a.key, 'sales', 'channel_account_id names the sender')
from m inner join drip_core.channel_accounts as a on m.channel_account_id = a.id and m.organization_id = a.organization_id;
select is(m.provider, 'smtp', 'provider') from m;
select is(m.config, '{"host": "smtp.example.com", "port": 587}', 'config is the account''s') from m;
select is(m.secret_ref, 'SMTP_PASSWORD', 'secret_ref is a name, not a secret') from m;
select is(m.to_address, 'ann@example.net', 'to_address') from m;
select is(m.to_name, 'Ann Lee', 'to_name') from m;
select is(m.from_address, 'sales@sender.example', 'from_address') from m;
select is(m.from_name, 'Sender sales', 'from_name') from m;
select is(m.subject, 'Hi Ann', 'subject') from m;
select is(drip_test.without_footer(m.text_body), 'Dear Ann, all', 'text_body, with the default of a field that has no value') from m;
select is(drip_test.without_footer(m.html_body), '<p>Ann</p>', 'html_body') from m;
select is(m.template, null, 'an email has no template') from m;
select is(m.headers, jsonb_build_object(
  'Message-ID', '<' || m.message_token || '@sender.example>',
  'List-Unsubscribe', '<https://mail.example.com/u/' || m.link_token || '>',
  'List-Unsubscribe-Post', 'List-Unsubscribe=One-Click',
  'X-Auto-Response-Suppress', 'OOF, AutoReply'
), 'headers: every one that SQL decides, and no other') from m;
select is(m.attempt, 1, 'attempt counts from one') from m;
select is(m.is_test, false, 'is_test') from m;
select is(m.sequence_key || '/' || m.step_key, 'welcome/intro', 'sequence_key and step_key') from m;
select is(m.lease_expires_at, '2026-03-02T09:07:00Z', 'lease_expires_at') from m;
select is((select count(*) from m), 1::bigint, 'one message');
select is(c.message_token || c.link_token, m.message_token || m.link_token, 'the tokens are the same on a repeat, and known without a message row')
from m
cross join
  lateral (
    select
      drip_test.at('2026-03-02T09:08:00Z'),
      drip.tick()
  ) as later
cross join lateral drip.claim(organization_id => m.organization_id) as c;

select finish();
rollback;
