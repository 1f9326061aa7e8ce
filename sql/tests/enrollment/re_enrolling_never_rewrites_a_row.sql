begin;
select plan(7);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 3);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('e' || row_number() over (), e.enrollment_id)
from drip.enroll_many(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 8)) as e;
select drip_test.settle();
-- one in every status, two steps in
update drip_core.enrollments as e
set status = s.status, next_step_at = case when s.status in ('active', 'paused') then e.next_step_at end
from unnest(enum_range(null::drip.enrollment_status)) with ordinality as s (status, n)
where e.organization_id = drip_test.org() and e.id = drip_test.kept('e' || s.n) and s.status <> 'active';

create temporary table before on commit drop as select e.* from drip_core.enrollments as e
where e.organization_id = drip_test.org();
create temporary table events_before on commit drop as select count(*) as n from drip_core.events as v
where v.organization_id = drip_test.org();
select drip_test.at('2026-03-02 12:00Z');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$
    select e.outcome::text, count(*) from drip.enroll_many(drip_test.org(), 'mails', array(
      select contact_id from drip.list_contacts(drip_test.org())), source => 'again') as e group by 1 order by 1
  $$,
  $$ values ('already_active', 2::bigint), ('already_finished', 6) $$,
  'H3: open ones are already_active, ended ones already_finished'
);
reset role;
select bag_eq(
  $$ select e.* from drip_core.enrollments as e where e.organization_id = drip_test.org() $$, $$ select b.* from before as b $$,
  'H3: re-enrolling never rewrites a row'
);
select is(
  (
    select count(*) from drip_core.events as v
    where v.organization_id = drip_test.org()
  ), (select n from events_before
  ), 'H3: and writes no event'
);
-- archiving, pausing and upserting the contact again restart nothing either
select count(drip_test.contact(drip_test.org(), c.external_id, '{"tags": ["again"]}')) from drip.list_contacts(drip_test.org()) as c;
select is(
  (select string_agg(distinct e.outcome::text, ' ' order by e.outcome::text) from drip.enroll_tagged(drip_test.org(), 'mails', 'again') as e),
  'already_active already_finished', 'H3: an upsert of the contact changes no answer'
);
select bag_eq(
  $$ select e.* from drip_core.enrollments as e where e.organization_id = drip_test.org() $$, $$ select b.* from before as b $$,
  'H3: nor a row'
);
select drip_test.no_violations();
select * from finish();
rollback;
