begin;
select plan(7);
select drip_test.organization('Other');
select drip.pause_lane(drip_test.org(), drip_test.mailbox(drip_test.org(), 'others'), 'x');
select drip_test.keep('other', drip_test.org());
select drip_test.organization('Mine');
select drip_test.keep('mine', drip_test.mailbox(drip_test.org(), 'mine'));
update drip_core.lanes set status = 'blocked', reason = 'sender_blocked';
create role drip_test_runner login in role drip_runner;
create role drip_test_app login in role drip_app;
create role drip_test_bound login in role drip_runner;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.org(), 'drip_test_bound');
create function pg_temp.found(p_check text) returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = p_check;
$$;

set local session authorization drip_test_runner;
select matches(pg_temp.found('blocked_lanes'), '^warning: 2 blocked.* others of organization .* mine of organization ', 'a runner sees every sender');
select is(pg_temp.found('login'), 'ok: drip_test_runner is a member of drip_runner, not bound to an organization', 'and who it is');
select throws_ok('select * from drip_core._check_engine(true)', '42501', null, 'L1: the halves are reached through drip.doctor only');
set local session authorization drip_test_bound;
select matches(pg_temp.found('blocked_lanes'), '^warning: 1 blocked, messages wait for 0 of them: mine of ', 'H2: a bound login sees its own');
select is(
  pg_temp.found('login'), 'ok: drip_test_bound is a member of drip_runner, bound to organizations ' || drip_test.org(), 'and is told that it is bound'
);
set local session authorization drip_test_app;
select throws_ok('select * from drip.doctor()', '42501', null, 'L1: services do not examine the server');
reset session authorization;
select matches(pg_temp.found('login'), '^warning: .* is a superuser', 'a superuser is warned of itself');
select * from finish();
rollback;
