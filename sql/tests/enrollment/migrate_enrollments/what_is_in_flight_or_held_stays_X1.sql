begin;
select plan(12);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.at('2026-03-02 09:00Z');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.keep('e' || o.ordinal, o.id)
from unnest(drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4))) with ordinality as o (id, ordinal);
select set_config('drip_test.claims', drip_test.claims(drip_test.org(), 3)::text, true);
-- the first is in flight, the second in flight and paused, the third held, the fourth waits
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'));
select is(drip_test.report((current_setting('drip_test.claims')::jsonb - 0) - 0, 'unknown'), 'held', 'one outcome is unknown');
select version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2, '{"name": "Newer"}'));
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2) $$,
  $$ values ('s1', 's1', 1::bigint), ('s1', null, 3) $$,
  'X1: the preview leaves what is in flight or held'
);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) $$,
  $$ values ('s1', 's1', 1::bigint), ('s1', null, 3) $$,
  'X1: so does the run'
);
select is(
  (
    select string_agg(s.version::text, ' ' order by e.id) from drip_core.enrollments as e
    inner join drip_core.steps as s on e.organization_id = s.organization_id and e.step_id = s.id
    where e.organization_id = drip_test.org()
  ), '1 1 1 2',
  'X1: they stand where they stood'
);
select drip_test.no_violations();
select is(
  drip_test.report(current_setting('drip_test.claims')::jsonb - 2), 'advanced advanced', 'X1: what was in flight is settled as if nothing had happened'
);
select is(
  (
    select drip.resolve_unknown(h.organization_id, h.enrollment_id, h.claim_token, 'retry') from drip_core.held_messages as h
    where h.organization_id = drip_test.org()
  ), 'retry_scheduled', 'X1: so is what was held'
);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) $$,
  $$ values ('s1', 's1', 1::bigint), ('s2', 's2', 2) $$,
  'a repeat moves them'
);
select results_eq(
  $$ select drip_test.place(e.organization_id, e.id) from drip_core.enrollments as e where e.organization_id = drip_test.org() order by e.id $$,
  $$
    values ('active s2, attempt 0, due 2026-03-03 09:00'), ('paused s2, attempt 0, due 2026-03-03 09:00'),
      ('active s1, attempt 1, due 2026-03-02 09:05'), ('active s1, attempt 0, due 2026-03-02 09:00')
  $$,
  'each where it stood, a retry with its attempts'
);
select is(drip_test.settle(), '{"advanced": 1}', 'what is due is sent');
select is(
  (
    select count(*) from drip_core.messages as m
    where m.organization_id = drip_test.org()
  ), 3::bigint, 'X1: nothing twice'
);
select drip_test.no_violations();
select finish();
rollback;
