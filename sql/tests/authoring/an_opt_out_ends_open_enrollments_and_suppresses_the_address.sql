begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'phone');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.email_sequence(drip_test.org(), 'more-mails', 2);
select count(*)
from drip.apply_sequence(drip_test.org(), '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456"}'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('e1', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann'));
select drip_test.keep('e2', enrollment_id) from drip.enroll(drip_test.org(), 'more-mails', drip_test.kept('ann'));
select drip_test.keep('e3', enrollment_id) from drip.enroll(drip_test.org(), 'chats', drip_test.kept('ann'));
select drip_test.keep('e4', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('bob'));
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(
  drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_out"}}'), drip_test.kept('ann'), 'the contact is stored'
);
reset role;
select is(drip_test.state(drip_test.org(), drip_test.kept('e1')), 'unsubscribed/opted_out', 'C1: an active enrollment of the channel ends as unsubscribed');
select is(drip_test.state(drip_test.org(), drip_test.kept('e2')), 'unsubscribed/opted_out', 'C1: so does a paused one');
select is(
  drip_test.state(drip_test.org(), drip_test.kept('e3')) || ' ' || drip_test.state(drip_test.org(), drip_test.kept('e4')), 'active/- active/-',
  'C1: other channels and other people go on'
);
select is(drip_test.events(drip_test.org(), drip_test.kept('e1')), 'enrolled unsubscribed', 'C1: with one event');
select results_eq(
  $$ select s.channel, s.reason, s.address_hash = drip_core._hash_address('email', 'ann@example.net'), s.lifted_at is null
     from drip_core.suppressions as s where s.organization_id = drip_test.org() $$,
  $$ values ('email'::drip.channel, 'opted_out'::drip.reason, true, true) $$,
  'C1: the address is suppressed in the same transaction'
);
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_out"}}');
select is(
  (
    select count(*) from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org()
  ), 1::bigint, 'C1: the same statement twice is one'
);
select drip_test.no_violations();
select * from finish();
rollback;
