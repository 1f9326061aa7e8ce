begin;
select plan(8);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.keep('e' || row_number() over (), e.enrollment_id)
from drip.enroll_many(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 3)) as e;
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e3'));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$
    select x.enrollment_id, x.status::text, x.changed
    from drip.pause_enrollments(drip_test.org(), array[drip_test.kept('e2'), drip_test.kept('e1'), drip_test.kept('e2'), 0, drip_test.kept('e3')]) as x
  $$,
  $$ values (drip_test.kept('e2'), 'paused', true), (drip_test.kept('e1'), 'paused', true), (0, null, false), (drip_test.kept('e3'), 'removed', false) $$,
  'pause: one row per distinct id in order; what has ended keeps its status, what is not there has none'
);
select results_eq(
  $$ select x.enrollment_id, x.status::text, x.changed from drip.resume_enrollments(drip_test.org(), array[drip_test.kept('e1'), drip_test.kept('e3')]) as x $$,
  $$ values (drip_test.kept('e1'), 'active', true), (drip_test.kept('e3'), 'removed', false) $$,
  'resume: the same'
);
select results_eq(
  $$
    select x.enrollment_id, x.status::text, x.changed
    from drip.remove_enrollments(drip_test.org(), array[drip_test.kept('e1'), drip_test.kept('e2'), drip_test.kept('e3')], 'cleaning up') as x
  $$,
  $$ values (drip_test.kept('e1'), 'removed', true), (drip_test.kept('e2'), 'removed', true), (drip_test.kept('e3'), 'removed', false) $$,
  'remove: the same'
);
select
  matches(
    drip_test.error_of(format('select * from drip.%s_enrollments(drip_test.org(), null)', f.name)),
    '^PT422 \| invalid enrollment_ids',
    'PT422: ' || f.name || ' needs a list'
  )
from unnest(array['pause', 'resume', 'remove']) as f (name);
reset role;
select drip_test.no_violations();
select * from finish();
rollback;
