-- A runner works for all organizations, unless its login is bound: then every function of the runner's role keeps to that.
begin;
select plan(12 + 16);
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.keep('box', drip_test.mailbox(drip_test.org(), 'box', '{"config": {"webhook": {"public_key": "of A"}, "inbox": {"host": "of A"}}}'));
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 3));
select drip_test.keep('b', drip_test.organization('B'));
create temporary table leased on commit drop as
select drip_test.claims(drip_test.kept('a'), 1) as claims;
grant select on leased to drip_runner;
create role drip_test_bound_runner login in role drip_runner;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.kept('b'), 'drip_test_bound_runner');

-- %1$s A, %2$s its sender
create temporary table calls (name text primary key, statement text not null) on commit drop;
insert into calls values
('claim', 'drip.claim(10, organization_id => %1$s)'),
('inboxes', 'drip.inboxes(%1$s)'),
('inbox_read', 'drip.inbox_read(%1$s, %2$s, ''INBOX'', 1, 1)'),
('webhook_settings', 'drip.webhook_settings(%1$s, ''box'')'),
('classify_hits', 'drip.classify_hits(%1$s)'),
('pause_lane', 'drip.pause_lane(%1$s, %2$s, ''x'')'),
('record_inbound', 'drip.record_inbound(%1$s, ''{"channel": "email", "from_address": "x@example.net"}'')'),
('record_provider_event', 'drip.record_provider_event(%1$s, ''{"provider_message_id": "x", "type": "delivered"}'')'),
('record_provider_events', 'drip.record_provider_events(%1$s, ''[]'')'),
('rebuild_rollups', 'drip.rebuild_rollups(organization_id => %1$s)'),
('recipient_check', 'drip.recipient_check(%1$s, 1, 1)'),
('record_account_reports', 'drip.record_account_reports(%1$s, ''box'', ''[]'')'),
('record_connection', 'drip.record_connection(%1$s, ''box'', ''{"state": "banned"}'')'),
('record_recipient_check', 'drip.record_recipient_check(%1$s, 1, 1, ''{"reachable": true}'')'),
('resolve_unknown', 'drip.resolve_unknown(%1$s, 1, 1, ''sent'')'),
('resume_lane', 'drip.resume_lane(%1$s, %2$s)');
grant select on calls to drip_runner;
select set_eq(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace = 'drip'::regnamespace and p.proargnames @> array['organization_id'] and has_function_privilege('drip_runner', p.oid, 'execute')
  $$,
  $$ select name from calls $$,
  'H2: every function of the runner that takes an organization is tried here'
);

set local session authorization drip_test_bound_runner;
select is(session_user::text || '/' || current_user::text, 'drip_test_bound_runner/drip_test_bound_runner', 'the test is a bound runner');
select
  matches(
    drip_test.error_of('select * from ' || format(c.statement, drip_test.kept('a'), drip_test.kept('box'))), '^PT404 \| organization not found',
    'H2: ' || c.name || ' does not find A'
  )
from calls as c
order by c.name;
-- who has got hold of A's claims
select is((select drip.hand_over(l.claims) from leased as l), 0, 'H2: hand_over does not take A''s claims');
select is((select drip.release(l.claims) from leased as l), 0, 'H2: nor does release');
select is(
  drip_test.error_of($$select * from drip.advance((select jsonb_set(l.claims, '{0,outcome}', '"sent"') from leased as l))$$),
  'PT404 | organization not found | organization_id: ' || drip_test.kept('a'), 'H2: advance does not find their organization'
);
select is((select count(*) from drip.claim(10)), 0::bigint, 'H2: without naming one it claims nothing of A');
select is_empty('select drip.inboxes()', 'H2: nor does it read a mailbox of A');
-- a month without a partition: who makes it may hold what everybody writes to
reset session authorization;
grant drip_simulator to drip_test_bound_runner;
set local session authorization drip_test_bound_runner;
select drip_test.at('2031-11-15T09:00:00Z');
select is(drip.tick() ->> 'partitions_made', '0', 'H2: its tick makes no partition of what is everybody''s');
select is_empty(
  $$
    select l.mode from pg_locks as l
    where l.pid = pg_backend_pid() and l.relation::regclass::text like 'drip_core.events%' and l.mode ~ 'Exclusive' and l.mode <> 'RowExclusiveLock'
  $$,
  'H2: and holds nobody''s events'
);
reset session authorization;
select is((
  select count(*) from drip_core.enrollments as e cross join leased as l
  where e.organization_id = drip_test.kept('a') and e.claim_token = (l.claims -> 0 ->> 'claim_token')::bigint and e.handed_over_at is null
), 1::bigint, 'H2: A''s message is still claimed, and not handed over');
select is((
  select l.status::text from drip_core.lanes as l
  where l.organization_id = drip_test.kept('a') and l.channel_account_id = drip_test.kept('box')
), 'active', 'H2: A''s sender is as it was');
select is_empty(
  $$ select from drip_core.inboxes as i where i.organization_id = drip_test.kept('a') $$, 'H2: and its mailbox unread'
);
select * from finish();
rollback;
