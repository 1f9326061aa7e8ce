-- An error while messages are judged or rendered is the affair of the message that raises it: the rest of its organization
-- and the other organizations go on, and it is tried again later.
begin;
select plan(11);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.keep('good', drip_test.organization('Good'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.keep('bad', drip_test.organization('Bad'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'me@a.example');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.email_sequence(drip_test.org(), 'broken', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4, 'f'));
select drip_test.keep('e', (drip_test.enrolled(drip_test.org(), 'broken', drip_test.contacts(drip_test.org(), 1, 'x')))[1]);
-- damage that no function of ours does: an argument that there is not
set local session_replication_role = replica;
update drip_core.steps as s
set subject_format = '%99999$s'
from drip_core.sequences as q
where q.organization_id = drip_test.org() and q.key = 'broken' and s.organization_id = q.organization_id and s.sequence_id = q.id;
set local session_replication_role = origin;
set local client_min_messages = error;

create temporary table sent on commit drop as select * from drip.claim(100);
select is((
  select count(*) from sent
  where sent.organization_id = drip_test.kept('good')
), 3::bigint, 'X2: the other organization gets its messages');
select is((
  select count(*) from sent
  where sent.organization_id = drip_test.org()
), 4::bigint, 'X2: and so do the other contacts of its own');
select is(
  drip_test.place(drip_test.org(), drip_test.kept('e')), 'active s1, attempt 0, due 2026-03-02 09:15',
  'X3: what cannot be rendered is tried again in a quarter of an hour'
);
select is((
  select e.claim_token from drip_core.enrollments as e
  where e.organization_id = drip_test.org() and e.id = drip_test.kept('e')
), null, 'it is not claimed');
select is(drip_test.books(drip_test.org(), 'box'), 'used 4: 4 leased, 0 held, 0 sent', 'M6: and takes nothing of the limit');
select is((select count(*) from drip.claim(100)), 0::bigint, 'nothing is left');
-- a test of it has failed
select drip.send_test(drip_test.org(), 'broken', 's1', drip_test.contact(drip_test.org(), 'y'), 'me@a.example');
select is((select count(*) from drip.claim(100)), 0::bigint, 'nor is a test that cannot be rendered claimed');
select results_eq(
  'select status::text, left(error_message, 22) from drip.list_tests(drip_test.org())', $$ values ('failed', 'it cannot be rendered:') $$, 'it says why'
);
-- one whose judgement fails: the messages it answers cannot be read
select drip.apply_sequence(drip_test.org(), '{"key": "welcome", "steps": [
  {"key": "s1", "channel": "email", "subject": "Subject 1", "text": "Hi"}, {"key": "s2", "channel": "email", "delay": "1 day", "thread": true, "text": "Again"}]}');
select drip_test.keep('t', (drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1, 't')))[1]);
select drip_test.settle();
set local session_replication_role = replica;
update drip_core.steps as s
set subject_format = '%99999$s'
from drip_core.sequences as q
where q.organization_id = drip_test.org() and q.key = 'welcome' and s.organization_id = q.organization_id and s.sequence_id = q.id and s.version = 2
  and s.key = 's1';
set local session_replication_role = origin;
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1, 'u'), '2026-03-02T09:01:00Z');
select drip_test.at('2026-03-02T09:20:00Z');
update drip_core.enrollments as e
set next_step_at = drip_core.now()
where e.organization_id = drip_test.org() and e.id = drip_test.kept('t');
select drip_core._insert_wakeups(drip_test.org(), array[e.channel_account_id], e.sequence_id, e.next_step_at)
from drip_core.enrollments as e
where e.organization_id = drip_test.org() and e.id = drip_test.kept('t');
select drip_test.act_for(drip_test.kept('good'));
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'late'));
select is((
  select count(*) from drip.claim(100) as c
  where c.to_address ~ '^late'
), 2::bigint, 'X2: the other organization again');
select drip_test.act_for(drip_test.kept('bad'));
select is(
  drip_test.place(drip_test.org(), drip_test.kept('t')), 'active s2, attempt 0, due 2026-03-02 09:35', 'X3: what cannot be judged waits as well'
);
select drip_test.no_violations();
select * from finish();
rollback;
