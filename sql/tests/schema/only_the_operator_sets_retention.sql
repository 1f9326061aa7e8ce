begin;
select plan(4);
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(
  drip_test.error_of('select drip.apply_retention(''{}'')'), '42501 | permission denied for function apply_retention',
  'L1: no service says what the installation forgets'
);
reset role;
set local role drip_owner;
select is(
  drip.apply_retention('{"late_results": "30 days"}') ->> 'late_results', '30 days', 'L1: members of drip_owner do'
);
select is((select count(*) from drip_core.retention), 0::bigint, 'L1: through the function only');
select * from finish();
rollback;
