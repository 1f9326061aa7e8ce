begin;
select plan(4);
create temporary view owned as
select
  c.oid,
  c.relname::text as name,
  (
    select a.attnum from pg_attribute as a
    where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
  ) as organization
from pg_class as c
where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p');

select is_empty(
  $$
    select x.indexrelid::regclass
    from pg_index as x join owned as o on o.oid = x.indrelid
    where o.organization is not null and x.indisunique and x.indkey[0] <> o.organization
  $$,
  'H2: every unique key of an organization''s rows leads with the organization'
);
select is_empty(
  $$
    select c.conname, c.conrelid::regclass
    from pg_constraint as c join owned as o on o.oid = c.conrelid
    where c.contype = 'f' and o.organization is not null and not c.conkey @> array[o.organization]
      and c.confrelid <> 'drip_core.profiles'::regclass
  $$,
  'H2: every foreign key of an organization''s rows carries the organization (people, a global table, aside)'
);
select is_empty(
  $$
    select c.conname
    from pg_constraint as c
    join owned as o on o.oid = c.conrelid
    join owned as target on target.oid = c.confrelid
    where c.contype = 'f' and o.organization is not null and target.organization is not null
      and c.confkey[array_position(c.conkey, o.organization)] <> target.organization
  $$,
  'H2: it is matched with the organization of the row referred to'
);
-- the tables that have no organization, each for a reason
select set_eq(
  $$ select name from owned where organization is null $$,
  array[
    'organizations',
    'profiles',
    'secret_keys',
    'reasons',
    'role_permissions',
    'machine_agents',
    'bounce_codes',
    'status_transitions',
    'timezones',
    'migrations',
    'migration_state',
    'retention'
  ],
  'H2: only people, secrets, lookups, the ledger and the operator''s retention settings belong to no organization'
);
select * from finish();
rollback;
