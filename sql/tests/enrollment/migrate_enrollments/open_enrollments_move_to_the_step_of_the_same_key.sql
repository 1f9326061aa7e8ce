begin;
select plan(15);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.at('2026-03-02 09:00Z');
select drip_test.email_sequence(drip_test.org(), 'welcome', 3);
-- five at s1; the first two go on to s2, the last two end
select drip_test.keep('e' || o.ordinal, o.id)
from unnest(drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2))) with ordinality as o (id, ordinal);
select drip_test.settle();
select drip_test.keep('e' || o.ordinal + 2, o.id)
from unnest(drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3, 'd'))) with ordinality as o (id, ordinal);
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'), 'wait');
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e5'));
-- one tried and failed once: its attempt and its retry stay
select drip_test.report(drip_test.claims(drip_test.org(), 1), 'retry');
-- s1 is gone, s0 and s4 are new
select version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 3, jsonb_build_object('steps', (
    select jsonb_agg(jsonb_build_object('key', k.key, 'channel', 'email', 'delay', '2 days', 'subject', 'New ' || k.key, 'text', 'x') order by k.ordinal)
    from unnest(array['s0', 's2', 's4', 's3']) with ordinality as k (key, ordinal)
  ))));
select is(drip_test.place(drip_test.org(), drip_test.kept('e3')), 'active s1, attempt 1, due 2026-03-02 09:05', 'one waits for its retry');

set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2) $$,
  $$ values ('s1', null, 2::bigint), ('s2', 's2', 2) $$,
  'the preview is the default; what has no step there is told with a null'
);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, dry_run => false) $$,
  $$ values ('s1', null, 2::bigint), ('s2', 's2', 2) $$,
  'the run does what the preview said'
);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, dry_run => false) $$,
  $$ values ('s1', null, 2::bigint) $$,
  'a repeat has only what is left'
);
select results_eq(
  $$ select occurred_at, type, step_key, channel, channel_account_key, data from drip.enrollment_history(drip_test.org(), drip_test.kept('e2'))
    where type = 'migrated' $$,
  $$ values ('2026-03-02 09:00Z'::timestamptz, 'migrated', 's2', 'email', 'sales', '{"from_version": 1, "to_version": 2}'::jsonb) $$,
  'each one moved has one event'
);
reset role;
select results_eq(
  $$
    select e.id - drip_test.kept('e1') + 1, drip_test.place(e.organization_id, e.id), e.version, s.version,
      (select count(*) from drip_core.events as v where v.organization_id = e.organization_id and v.enrollment_id = e.id and v.type = 'migrated')
    from drip_core.enrollments as e
    join drip_core.steps as s on s.organization_id = e.organization_id and s.id = e.step_id
    where e.organization_id = drip_test.org()
    order by e.id
  $$,
  $$
    values (1::bigint, 'active s2, attempt 0, due 2026-03-03 09:00', 1, 2, 1::bigint),
      (2, 'paused s2, attempt 0, due 2026-03-03 09:00', 1, 2, 1),
      (3, 'active s1, attempt 1, due 2026-03-02 09:05', 1, 1, 0),
      (4, 'active s1, attempt 0, due 2026-03-02 09:00', 1, 1, 0),
      (5, 'removed s1, attempt 0', 1, 1, 0)
  $$,
  'active and paused ones stand at the new step with their status, their time and their cohort; what ended does not move'
);
select drip_test.no_violations();

select is(drip_test.settle(), '{"advanced": 1}', 'what was left goes on in its version');
select drip_test.at('2026-03-03 09:00Z');
select drip_test.settle();
select is(
  drip.get_message(drip_test.org(), drip_test.kept('e1'), 's2') ->> 'subject', 'New s2', 'X8: what moved is sent as the new version says'
);
select is(drip_test.place(drip_test.org(), drip_test.kept('e1')), 'active s4, attempt 0, due 2026-03-05 09:00', 'and goes on there');
select is(drip_test.place(drip_test.org(), drip_test.kept('e3')), 'active s2, attempt 0, due 2026-03-04 09:00', 'the other one is at s2 of the old version');
select is(
  (
    select string_agg(concat_ws(' ', m.from_step, m.to_step, m.enrollments), ', ' order by m.ordinality)
    from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) with ordinality as m
  ), 's2 s2 1, s3 s3 1',
  'what was left can be moved later'
);
select is(
  (
    select string_agg(concat_ws(' ', o.version, o.enrolled), ', ' order by o.version) from drip_report.sequence_overview as o
    where o.organization_id = drip_test.org()
  ), '1 5, 2 0',
  'M3: reports count them in the version of their enrollment'
);
select drip_test.no_violations();
select finish();
rollback;
