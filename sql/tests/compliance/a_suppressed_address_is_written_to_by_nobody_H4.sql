begin;
select plan(15);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'phone');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.email_sequence(drip_test.org(), 'others', 2);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"phone": "+4930123456"}'));
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann'));
select drip_test.keep('e2', enrollment_id) from drip.enroll(drip_test.org(), 'others', drip_test.kept('ann'));
set local role drip_app;
select is(
  drip.suppress(drip_test.org(), 'email', ' Ann@Example.net', 'manual', '{"sequence_key": "mails", "ticket": 7}'), 'suppressed',
  'an address is suppressed for one sequence'
);
reset role;
select is(
  drip_test.state(drip_test.org(), drip_test.kept('e')) || ' ' || drip_test.state(drip_test.org(), drip_test.kept('e2')), 'removed/manual active/-',
  'H4: its enrollment there ends, the other goes on'
);
select is((select r.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann')) as r), 'suppressed', 'H4: refused there');
select is(drip.suppress(drip_test.org(), 'email', 'ann@example.net', 'complained'), 'suppressed', 'then for everything');
select is(drip.suppress(drip_test.org(), 'email', 'ANN@example.net', 'complained'), 'already_suppressed', 'a repeat changes nothing');
select is(drip_test.state(drip_test.org(), drip_test.kept('e2')), 'unsubscribed/complained', 'H4: the rest ends');
select is(
  (
    select string_agg(concat_ws('/', v.type, v.reason), ' ' order by v.id) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.contact_id = drip_test.kept('ann') and v.enrollment_id is null
  ),
  'suppressed/manual suppressed/complained', 'G4: each is a fact of the contact, with its reason'
);
select is(
  (
    select string_agg(concat_ws('/', l.channel, l.state, l.source), ' ') from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org()
  ),
  'email/opted_out/api', 'a complaint is the will of the person: the ledger says so'
);
-- an address that nobody has yet
select results_eq(
  $$ select s.ordinal, s.outcome, s.detail from drip.suppress_many(drip_test.org(), '[
    {"channel": "email", "address": "later@example.net", "reason": "unsubscribed"},
    {"address": "0049 30 123456"},
    {"channel": "email", "address": "nobody"},
    {"channel": "fax", "address": "x"},
    {"channel": "email", "address": "a@example.net", "reason": "daily_limit"},
    {"channel": "email", "address": "a@example.net", "evidence": {"sequence_key": "none"}},
    {"channel": "email", "address": "later@example.net"}, 7]') as s $$,
  $$ values (1, 'suppressed', null), (2, 'suppressed', null), (3, 'invalid', 'address: an email address is needed'), (4, 'invalid', 'channel: fax'),
    (5, 'invalid', 'reason: one of opted_out, unsubscribed, suppressed, complained, bounced, invalid_address, rejected_policy, erased, manual is needed'),
    (6, 'invalid', 'sequence_key: none'), (7, 'already_suppressed', null), (8, 'invalid', 'suppressions[7]: a JSON object is needed') $$,
  'a list is taken row by row; a bad one stops no other'
);
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'later')) as r), 'opted_out',
  'H4: who comes later with the address is refused'
);
select count(*) from drip.apply_sequence(drip_test.org(), '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_lite", "text": "Hi"}]}');
select is((select r.outcome::text from drip.enroll(drip_test.org(), 'chats', drip_test.kept('bob')) as r), 'suppressed', 'H4: so is a number');
select is((select r.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.kept('bob')) as r), 'enrolled', 'other channels are not concerned');
select matches(
  drip_test.error_of($$select drip.suppress_many(drip_test.org(), '{}')$$), '^PT422 \| invalid suppressions', 'a list is an array'
);
select is(
  drip_test.error_of($$select drip.suppress(drip_test.org(), 'email', 'a@example.net', 'manual', '{"ip": "not one"}')$$),
  'PT422 | invalid suppression | evidence.ip: an IPv4 or IPv6 address is needed', 'evidence is checked'
);
select drip_test.no_violations();
select * from finish();
rollback;
