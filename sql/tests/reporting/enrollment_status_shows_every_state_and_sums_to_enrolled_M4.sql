begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.email_sequence(drip_test.org(), 'empty', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 9));
update drip_core.enrollments as e set status = s.status, next_step_at = case when s.status = 'paused' then e.next_step_at end
from unnest(array['paused', 'completed', 'failed', 'exited', 'removed', 'bounced', 'unsubscribed']::drip.enrollment_status[]) with ordinality as s (status, n)
where e.organization_id = drip_test.org() and e.id = drip_test.enrollment('c' || s.n);

select results_eq(
  $$
    select v.status, v.enrollments, round(v.share, 3)
    from drip_report.enrollment_status as v
    where v.organization_id = drip_test.org() and v.sequence_key = 'welcome'
    order by array_position(enum_range(null::drip.enrollment_status), v.status::drip.enrollment_status)
  $$,
  $$
    values ('active', 2::bigint, 0.222), ('paused', 1::bigint, 0.111), ('completed', 1::bigint, 0.111), ('failed', 1::bigint, 0.111),
      ('exited', 1::bigint, 0.111), ('removed', 1::bigint, 0.111), ('bounced', 1::bigint, 0.111), ('unsubscribed', 1::bigint, 0.111)
  $$, 'M4: all eight are there'
);
select results_eq(
  $$
    select sum(v.enrollments)::bigint, round(sum(v.share), 6) from drip_report.enrollment_status as v
    where v.organization_id = drip_test.org() and v.sequence_key = 'welcome'
  $$,
  $$
    select o.enrolled, 1.000000 from drip_report.sequence_overview as o where o.organization_id = drip_test.org() and o.sequence_key = 'welcome'
  $$, 'M4: and sum to enrolled'
);
select
  is(
    o.active + o.paused + o.completed + o.failed + o.exited + o.removed + o.bounced + o.unsubscribed, o.enrolled, 'M4: in sequence_overview as well'
  )
from drip_report.sequence_overview as o
where o.organization_id = drip_test.org() and o.sequence_key = 'welcome';
select is(
  (
    select count(*) || ' ' || sum(v.enrollments) || ' ' || count(v.share) from drip_report.enrollment_status as v
    where v.organization_id = drip_test.org() and v.sequence_key = 'empty'
  ),
  '8 0 0', 'where nobody is enrolled there are eight zeros and no share'
);
select drip_test.no_violations();

select finish();
rollback;
