-- A login without a binding is trusted with every organization: who operates the installation sees which ones those are.
begin;
select plan(5);
select drip_test.organization();
create role drip_test_runner login in role drip_runner;
create role drip_test_tenant login in role drip_app;
create function pg_temp.found()
returns text
language sql
as $$
  select string_agg(d.verdict || ': ' || d.detail, ' | ') from drip.doctor() as d where d.check_name = 'bindings';
$$;
grant execute on function pg_temp.found() to drip_runner;
set local session authorization drip_test_runner;
select matches(
  pg_temp.found(), '^ok: trusted with every organization: .*drip_test_runner, drip_test_tenant', 'H2: logins without a binding are named'
);
reset session authorization;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.org(), 'drip_test_tenant');
set local session authorization drip_test_runner;
select doesnt_match(pg_temp.found(), 'drip_test_tenant', 'H2: one with a binding is not');
reset session authorization;
alter role drip_test_tenant rename to drip_test_renamed;
set local session authorization drip_test_runner;
select is(
  pg_temp.found(),
  'warning: there is no login drip_test_tenant, which is bound to an organization: dropped, or renamed and bound no more',
  'H2: a login that was renamed has lost its binding'
);
reset session authorization;
delete from drip_core.login_organizations;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.org(), 'drip_test_runner');
set local session authorization drip_test_runner;
select is(session_user::text || '/' || current_user::text, 'drip_test_runner/drip_test_runner', 'the test is a bound runner');
select is(pg_temp.found(), null, 'H2: a bound login is told of no other');
reset session authorization;
select * from finish();
rollback;
