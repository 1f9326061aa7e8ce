begin;
select plan(5);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'phone');
select count(*) from drip.apply_sequence(drip_test.org(), '{"key": "both", "steps": [
  {"key": "mail", "channel": "email", "subject": "x", "text": "{{ contact.company }}"},
  {"key": "chat", "channel": "whatsapp_lite", "text": "{{ contact.last_name }}"}]}');
create function pg_temp.outcome(p_id text, p_contact jsonb)
returns text
language sql
as $$
  select e.outcome::text from drip.enroll(drip_test.org(), 'both', drip_test.contact(drip_test.org(), p_id, p_contact)) as e;
$$;
select is(pg_temp.outcome('mail-only', '{"company": "Acme"}'), 'enrolled', 'M9: without a phone the fields of the chat are not asked for');
select is(pg_temp.outcome('mail-blank', '{"last_name": "Lee"}'), 'missing_field', 'M9: those of the mail are');
select is(pg_temp.outcome('chat-only', '{"email": null, "phone": "+4930123456", "last_name": "Lee"}'), 'enrolled', 'M9: and the other way round');
select is(pg_temp.outcome('both', '{"phone": "+4930123457", "company": "Acme"}'), 'missing_field', 'M9: who has both addresses needs both values');
select is(
  pg_temp.outcome('blank', '{"phone": "+4930123458", "company": "Acme", "last_name": "Lee"}') || ' ' || pg_temp.outcome('none', '{"email": null}'),
  'enrolled no_address', 'M9: with all values it is enrolled, without any address never'
);
select * from finish();
rollback;
