begin;
select plan(5);
select is_empty(
  $$
    select c.oid::regclass from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
  $$,
  'H2: row-level security is enabled on every table and partition'
);
select is_empty(
  $$
    select c.oid::regclass from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relforcerowsecurity
  $$,
  'H2: row-level security is forced on every table and partition'
);
-- what belongs to an organization is kept apart by one policy with both sides
select set_eq(
  $$
    select c.relname::text
    from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where p.polname = 'own_organization_only' and p.polqual is not null and p.polwithcheck is not null and p.polcmd = '*'
      and pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(p.polwithcheck, p.polrelid)
      and pg_get_expr(p.polqual, p.polrelid) ~ '\(organization_id|\(id' and pg_get_expr(p.polqual, p.polrelid) ~ 'current_organization'
  $$,
  $$
    select c.relname::text from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and (c.relname = 'organizations' or exists (
        select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped))
      and c.relname not in ('login_organizations', 'simulations')
  $$,
  'H2: every table with an organization has its policy, with using and with check'
);
select is_empty(
  $$
    select p.polname, p.polrelid::regclass
    from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where c.relnamespace = 'drip_core'::regnamespace
      and exists (
        select from unnest(p.polroles) as r (oid)
        where r.oid = 0 or r.oid::regrole::text not in ('drip_owner', 'drip_engine', 'drip_analyst'))
  $$,
  'L7: no policy speaks to PUBLIC or to a role that calls functions only'
);
select is_empty(
  $$
    select r.rolname from pg_roles as r
    where r.rolname in ('drip_owner', 'drip_engine', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator')
      and (r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb)
  $$,
  'H2: no role of the package can log in, is superuser or passes by row-level security'
);
select * from finish();
rollback;
