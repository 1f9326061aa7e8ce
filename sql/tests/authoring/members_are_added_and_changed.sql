begin;
select plan(31);
select drip_test.organization('A');
create temporary table ann on commit drop as select gen_random_uuid() as id;
select drip.add_member(drip_test.org(), (select id from ann), ' ann@example.com ', '0049 (30) 123-456', 'admin');
select results_eq(
  $$ select m.role::text, m.email, m.phone from drip_core.members as m where m.organization_id = drip_test.org() $$,
  $$ values ('admin', 'ann@example.com', '+4930123456') $$,
  'a member has role and normalised addresses'
);
select is((select count(*) from drip_core.profiles as p inner join ann on p.id = ann.id), 1::bigint, 'L2: the profile is stored in the package''s own table');
select drip.add_member(drip_test.org(), (select id from ann), 'a@example.com');
select results_eq(
  $$ select m.role::text, m.email, m.phone from drip_core.members as m where m.organization_id = drip_test.org() $$,
  $$ values ('member', 'a@example.com', null) $$,
  'adding again changes role and addresses of the one membership'
);
select drip_test.organization('B');
select drip.add_member(drip_test.org(), (select id from ann), 'ann@b.example');
select is((select count(*) from drip_core.members as m inner join ann on m.profile_id = ann.id), 2::bigint, 'a profile can be a member of two organizations');
select matches(drip_test.error_of('select drip.add_member(drip_test.org(), ' || c.arguments || ')'), c.expected, c.rule)
from (
  values
  ('null, ''x@example.com''', '^PT422 \| a member needs a profile', 'PT422: a profile is needed'),
  ('gen_random_uuid(), null', '^PT422 \| a member needs an email', 'PT422: an address is needed'),
  ('gen_random_uuid(), ''nobody''', '^PT422 \| a member needs an email', 'PT422: that looks like one'),
  ('gen_random_uuid(), ''a,b@y.example''', '^PT422 \| a member needs an email', 'PT422: and like one only'),
  ('gen_random_uuid(), ''"x"<victim@v.example''', '^PT422 \| a member needs an email', 'PT422: not like a name with one'),
  ('gen_random_uuid(), ''x@y.example,z''', '^PT422 \| a member needs an email', 'PT422: not like two'),
  ('gen_random_uuid(), e''x\u200b@y.example''', '^PT422 \| a member needs an email', 'PT422: what nobody sees is no part of it'),
  ('gen_random_uuid(), e''x\x01@y.example''', '^PT422 \| a member needs an email', 'PT422: nor is a control character'),
  ('gen_random_uuid(), ''x@example.com'', ''12''', '^PT422 \| invalid phone', 'PT422: a phone number is international'),
  ('gen_random_uuid(), ''x@example.com'', role => ''boss''', '^PT422 \| unknown member role \| role: boss', 'PT422: a role is known'),
  ('gen_random_uuid(), ''x@example.com'', role => null', '^PT422 \| unknown member role', 'PT422: null is no role')
) as c (arguments, expected, rule);
select is((
  select count(*) from drip_core.members as m
  where m.organization_id = drip_test.org()
), 1::bigint, 'a refused member is not stored');

-- an organization keeps an owner
create function pg_temp.profile(n int)
returns uuid
language sql
as $$
  select ('00000000-0000-0000-0000-00000000000' || n)::uuid;
$$;
select drip.add_member(drip_test.org(), pg_temp.profile(1), 'one@example.com', role => 'owner');
select matches(
  drip_test.error_of('select drip.add_member(drip_test.org(), pg_temp.profile(1), ''one@example.com'', role => ''admin'')'),
  '^PT409 \| an organization keeps an owner', 'H2: the only owner is not unmade'
);
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.org(), pg_temp.profile(1))'),
  '^PT409 \| an organization keeps an owner', 'H2: nor removed'
);
select lives_ok('select drip.add_member(drip_test.org(), pg_temp.profile(1), ''1@example.com'', role => ''owner'')', 'its addresses may change');
select drip.add_member(drip_test.org(), pg_temp.profile(2), 'two@example.com', role => 'owner');
select lives_ok('select drip.add_member(drip_test.org(), pg_temp.profile(1), ''1@example.com'', role => ''admin'')', 'one of two may be');
select ok(drip.remove_member(drip_test.org(), (select id from ann)), 'a member is removed');
select ok(not drip.remove_member(drip_test.org(), (select id from ann)), 'a repeat removes nothing');
select is((select count(*) from drip_core.members as m inner join ann on m.profile_id = ann.id), 1::bigint, 'H2: of this organization only');
select results_eq(
  $$
    select l.function_name, l.arguments ->> 'profile_id' from drip.audit_log(drip_test.org(), "limit" => 1) as l
  $$,
  $$ select 'remove_member', ann.id::text from ann $$,
  'H2: the trail has it once'
);
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.org(), null)'), '^PT422 \| a member needs a profile', 'PT422: a profile is needed'
);

create role drip_test_web login in role drip_app;
set local session authorization drip_test_web;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true);
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.org(), ''00000000-0000-0000-0000-000000000002'')'),
  '^PT403 \| not allowed \| assign_owner needs the role owner; yours is admin', 'H2: an admin removes no owner'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000002"}', true);
select ok(drip.remove_member(drip_test.org(), '00000000-0000-0000-0000-000000000001'), 'an owner removes an admin');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true);
select matches(
  drip_test.error_of('select drip.list_sequences(drip_test.org())'), '^PT404', 'H2: who was removed is nobody here'
);
reset session authorization;

-- a login with SQL of its own says it is anybody
select set_config('request.jwt.claims', '', true);
select drip.add_member(drip_test.org(), pg_temp.profile(3), 'three@example.com', role => 'admin');
create role drip_test_viewer login in role drip_app;
insert into drip_core.login_organizations (organization_id, login, role) values (drip_test.org(), 'drip_test_viewer', 'viewer');
set local session authorization drip_test_viewer;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000003"}', true);
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.org(), ''00000000-0000-0000-0000-000000000003'')'),
  '^PT403 \| not allowed \| remove_member needs the role admin; yours is viewer', 'H2: a bound viewer that says it is an admin does not make it leave'
);
reset session authorization;
select set_config('request.jwt.claims', '', true);
select is((
  select count(*) from drip_core.members as m
  where m.organization_id = drip_test.org() and m.profile_id = pg_temp.profile(3)
), 1::bigint, 'H2: the admin is still there');
set local session authorization drip_test_web;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000003"}', true);
select ok(drip.remove_member(drip_test.org(), '00000000-0000-0000-0000-000000000003'), 'behind a gateway, which writes the claims, it leaves');
reset session authorization;
select * from finish();
rollback;
