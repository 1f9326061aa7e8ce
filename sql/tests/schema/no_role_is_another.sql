begin;
select plan(2);
create temporary view ours as
select r.oid
from pg_roles as r
where r.rolname in ('drip_owner', 'drip_engine', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator');

select is_empty(
  $$
    select m.roleid::regrole || ' to ' || m.member::regrole
    from pg_auth_members as m
    where m.member in (select oid from ours)
  $$,
  'L1: no role of the package is a member of another role, whoever''s'
);
-- who may become an owner passes by everything
select is_empty(
  $$
    select m.roleid::regrole || ' to ' || m.member::regrole
    from pg_auth_members as m
    join pg_roles as r on r.oid = m.member
    where m.roleid::regrole::text in ('drip_owner', 'drip_engine') and not r.rolsuper and not pg_has_role(current_user, m.member, 'member')
  $$,
  'L1: nobody is a member of an owner but whoever installs'
);
select * from finish();
rollback;
