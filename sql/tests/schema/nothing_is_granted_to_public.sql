begin;
select plan(5);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and a.grantee = 0
  $$,
  'L1: PUBLIC executes no function'
);
select is_empty(
  $$
    select c.oid::regclass
    from pg_class as c
    cross join lateral aclexplode(c.relacl) as a
    where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and a.grantee = 0
  $$,
  'L1: PUBLIC has no privilege on a table, view or sequence'
);
select is_empty(
  $$
    select c.attrelid::regclass, c.attname
    from pg_attribute as c
    join pg_class as r on r.oid = c.attrelid
    cross join lateral aclexplode(c.attacl) as a
    where r.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and a.grantee = 0
  $$,
  'L1: PUBLIC has no privilege on a column'
);
select is_empty(
  $$
    select n.nspname
    from pg_namespace as n
    cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
    where n.nspname in ('drip', 'drip_core', 'drip_report') and a.grantee = 0
  $$,
  'L1: PUBLIC may not even look into a schema'
);
select results_eq(
  $$
    select r.name, s.name
    from unnest(array['drip', 'drip_core', 'drip_report']) as s (name)
    cross join unnest(array['drip_analyst', 'drip_app', 'drip_public', 'drip_runner', 'drip_simulator']) as r (name)
    where has_schema_privilege(r.name, s.name, 'usage') or has_schema_privilege(r.name, s.name, 'create')
    order by 1, 2
  $$,
  $$
    values ('drip_analyst', 'drip'), ('drip_analyst', 'drip_core'), ('drip_analyst', 'drip_report'), ('drip_app', 'drip'),
      ('drip_public', 'drip'), ('drip_runner', 'drip')
  $$,
  'L1: each role uses the schemas it needs and no other'
);
select * from finish();
rollback;
