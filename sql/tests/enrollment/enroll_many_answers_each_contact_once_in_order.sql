begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.keep('c' || n, id) from unnest(drip_test.contacts(drip_test.org(), 4)) with ordinality as c (id, n);
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$
    select e.contact_id, e.outcome::text, e.enrollment_id is not null
    from drip.enroll_many(drip_test.org(), 'mails', array[
      drip_test.kept('c3'), drip_test.kept('c1'), 0, drip_test.kept('c3'), null, drip_test.kept('c4'), drip_test.kept('c1')]) as e
  $$,
  $$
    values (drip_test.kept('c3'), 'enrolled', true), (drip_test.kept('c1'), 'enrolled', true), (0, 'contact_not_found', false),
      (drip_test.kept('c4'), 'enrolled', true)
  $$,
  'H3: one row per distinct contact, in the order given'
);
select results_eq(
  $$ select e.contact_id, e.outcome::text from drip.enroll_many(drip_test.org(), 'mails', array[drip_test.kept('c2'), drip_test.kept('c1')]) as e $$,
  $$ values (drip_test.kept('c2'), 'enrolled'), (drip_test.kept('c1'), 'already_active') $$,
  'H3: a repeat says who is there already'
);
select is((select count(*) from drip.enroll_many(drip_test.org(), 'mails', '{}')), 0::bigint, 'nobody is nobody');
select matches(
  drip_test.error_of('select * from drip.enroll_many(drip_test.org(), ''mails'', null)'), '^PT422 \| invalid contact_ids', 'PT422: null is no list'
);
select matches(
  drip_test.error_of('select * from drip.enroll_many(drip_test.org(), ''mails'', array_fill(1::bigint, array[100001]))'), '^PT422 \| invalid contact_ids',
  'PT422: a list is bounded'
);
select matches(
  drip_test.error_of('select * from drip.enroll_many(drip_test.org(), ''nails'', ''{}'')'), '^PT404 \| sequence not found', 'PT404: the sequence is there'
);
select is(
  (select string_agg(distinct e.source, ' ') from drip.list_enrollments(drip_test.org()) as e), 'bulk', 'the source is kept'
);
reset role;
select drip_test.no_violations();
select * from finish();
rollback;
