begin;
select plan(4);
select set_eq(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and has_function_privilege('drip_public', p.oid, 'execute')
  $$,
  array['click_target', 'record_open', 'record_click', 'unsubscribe', 'unsubscribe_info'],
  'L7: drip_public executes the token functions, nothing else'
);
select is_empty(
  $$ select m.roleid::regrole from pg_auth_members as m where m.member = 'drip_public'::regrole $$,
  'L7: drip_public is a member of no role'
);
select drip_test.organization('A');
set local role drip_public;
select is(current_user, 'drip_public'::name, 'the test acts as drip_public');
select is(
  drip_test.error_of(format('select drip.list_sequences(%s)', drip_test.org())),
  '42501 | permission denied for function list_sequences',
  'L7: another function is refused'
);
select * from finish();
rollback;
