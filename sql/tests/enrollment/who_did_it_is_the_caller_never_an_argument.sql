begin;
select plan(4);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'ann@example.com');
select drip_test.keep('c' || n, id) from unnest(drip_test.contacts(drip_test.org(), 2)) with ordinality as c (id, n);
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select drip_test.keep('e1', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('c1'));
select set_config('request.jwt.claims', '', true);
select drip_test.keep('e2', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('c2'));
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e1'));
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e2'));
reset role;
select results_eq(
  $$ select e.enrolled_by, e.removed_by from drip_core.enrollments as e where e.organization_id = drip_test.org() order by e.id $$,
  $$ values ('00000000-0000-0000-0000-00000000000a'::uuid, null::uuid), (null, '00000000-0000-0000-0000-00000000000a') $$,
  'H2: enrolled_by and removed_by are the profile of the caller, null for services'
);
select results_eq(
  $$ select v.type::text, v.actor_profile_id is not null from drip_core.events as v where v.organization_id = drip_test.org() order by v.id $$,
  $$ values ('enrolled', true), ('enrolled', false), ('removed', false), ('removed', true) $$,
  'H2: events know the actor as well'
);
select is_empty(
  $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace = 'drip'::regnamespace and p.proargnames && array['enrolled_by', 'removed_by', 'actor_profile_id', 'actor']
      and p.proname <> 'enrollment_history'
  $$, 'H2: no function takes the actor as an argument'
);
select * from finish();
rollback;
