begin;
select plan(4);
select drip_test.keep('a', drip_test.organization('A'));
select is(
  (
    select (o.name, o.timezone, o.public_base_url)::text from drip_core.organizations as o
    where o.id = drip_test.kept('a')
  ),
  '(A,UTC,https://mail.example.com)', 'the operator creates an organization'
);
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(
  drip_test.error_of('select drip.create_organization(''B'')'), '42501 | permission denied for function create_organization',
  'L1: services create none'
);
reset role;
set local role drip_owner;
select ok(drip.create_organization('C') > drip_test.kept('a'), 'L1: members of drip_owner do');
select * from finish();
rollback;
