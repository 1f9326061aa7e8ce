begin;
select plan(7);
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
select is_empty(
  $$
    select t.oid::regtype
    from pg_type as t
    left join pg_class as c on c.oid = t.typrelid
    cross join lateral aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) as a
    where t.typnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and a.grantee = 0
      and (t.typtype = 'e' or (t.typtype = 'c' and c.relkind = 'c'))
  $$,
  'L1: PUBLIC may use no type of ours'
);
select is_empty(
  $$
    select r.name, s.name
    from unnest(array['drip', 'drip_core', 'drip_report']) as s (name)
    cross join unnest(array['drip_analyst', 'drip_app', 'drip_public', 'drip_runner', 'drip_simulator']) as r (name)
    where has_schema_privilege(r.name, s.name, 'create')
  $$,
  'L1: nobody but the owners makes things in our schemas'
);
select results_eq(
  $$
    select r.name, s.name
    from unnest(array['drip', 'drip_core', 'drip_report']) as s (name)
    cross join unnest(array['drip_analyst', 'drip_app', 'drip_public', 'drip_runner', 'drip_simulator']) as r (name)
    where has_schema_privilege(r.name, s.name, 'usage')
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
