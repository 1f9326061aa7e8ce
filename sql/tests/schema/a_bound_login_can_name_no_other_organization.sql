begin;
select plan(6);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.contact(drip_test.org(), 'bob');
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.contact(drip_test.org(), 'ann');
create role drip_test_bound login;
grant drip_app to drip_test_bound;
grant drip_analyst to drip_test_bound;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.kept('a'), 'drip_test_bound');

set local session authorization drip_test_bound;
select is(session_user, 'drip_test_bound'::name, 'the test logs in as a bound role');
select is(
  (select c.external_id from drip.list_contacts(drip_test.kept('a')) as c), 'ann', 'H2: a bound login reads its own organization'
);
select drip_test.act_for(drip_test.kept('b'));
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''b''))'), '^PT404 \| organization not found',
  'H2: the setting does not open another organization'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true);
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''b''))'), '^PT404 \| organization not found',
  'H2: nor does a JWT'
);
select is((select count(*) from drip_report.lane_status), 0::bigint, 'H2: nor do the reporting views');
select set_config('request.jwt.claims', '', true);
select drip_test.act_for(null);
select is(
  (select c.external_id from drip.list_contacts(drip_test.kept('a')) as c), 'ann', 'H2: bound to one organization, it needs no setting'
);
reset session authorization;
select * from finish();
rollback;
