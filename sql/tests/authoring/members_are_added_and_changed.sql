begin;
select plan(11);
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
  ('gen_random_uuid(), ''x@example.com'', ''12''', '^PT422 \| invalid phone', 'PT422: a phone number is international'),
  ('gen_random_uuid(), ''x@example.com'', role => ''boss''', '^PT422 \| unknown member role \| role: boss', 'PT422: a role is known'),
  ('gen_random_uuid(), ''x@example.com'', role => null', '^PT422 \| unknown member role', 'PT422: null is no role')
) as c (arguments, expected, rule);
select is((
  select count(*) from drip_core.members as m
  where m.organization_id = drip_test.org()
), 1::bigint, 'a refused member is not stored');
select * from finish();
rollback;
