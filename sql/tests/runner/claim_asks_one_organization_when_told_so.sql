begin;
select plan(4);

select drip_test.at('2026-03-02T09:00:00Z');
create temporary table orgs as
select
  drip_test.organization('One') as one,
  drip_test.organization('Two') as two;
select
  drip_test.act_for(orgs.one),
  drip_test.mailbox(orgs.one, 'a'),
  drip_test.email_sequence(orgs.one, 'w', 1)
from orgs;
select drip_test.enrolled(orgs.one, 'w', drip_test.contacts(orgs.one, 2)) from orgs;
select
  drip_test.act_for(orgs.two),
  drip_test.mailbox(orgs.two, 'a'),
  drip_test.email_sequence(orgs.two, 'w', 1)
from orgs;
select drip_test.enrolled(orgs.two, 'w', drip_test.contacts(orgs.two, 3)) from orgs;

select is((select count(*) from drip.claim(organization_id => orgs.two)), 3::bigint, 'only that organization is asked') from orgs;
select is(
  (
    select count(*) from drip_core.enrollments as e
    where e.organization_id = orgs.one and e.claim_token is not null
  ), 0::bigint,
  'the other one is not touched'
) from orgs;
select is(
  drip_test.error_of('select drip.claim(organization_id => -1)'), 'PT404 | organization not found | organization_id: -1',
  'one that is not there is an error'
);
insert into drip_core.login_organizations (organization_id, login) select
  orgs.two,
  session_user
from orgs;
select is(
  drip_test.error_of(format('select drip.claim(organization_id => %s)', orgs.one)),
  format('PT404 | organization not found | organization_id: %s', orgs.one), 'H2: nor can a bound login ask for another one''s'
) from orgs;

select finish();
rollback;
