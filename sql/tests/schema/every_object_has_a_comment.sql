begin;
select plan(7);
create temporary view ours as
select
  n.oid,
  n.nspname
from pg_namespace as n
where n.nspname in ('drip', 'drip_core', 'drip_report');

select is_empty(
  $$ select n.nspname from ours as n where coalesce(obj_description(n.oid, 'pg_namespace'), '') = '' $$,
  'L4: every schema has a comment'
);
select is_empty(
  $$
    select c.oid::regclass from pg_class as c join ours as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v') and not c.relispartition and coalesce(obj_description(c.oid, 'pg_class'), '') = ''
  $$,
  'L4: every table and view has a comment'
);
select is_empty(
  $$
    select c.oid::regclass from pg_class as c join ours as n on n.oid = c.relnamespace
    where c.relkind = 'S' and coalesce(obj_description(c.oid, 'pg_class'), '') = ''
      and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i')
  $$,
  'L4: every sequence that is not an identity has a comment'
);
select is_empty(
  $$
    select c.oid::regclass, a.attname
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace::regnamespace::text in ('drip_report') and c.relkind = 'v' and coalesce(col_description(c.oid, a.attnum), '') = ''
  $$,
  'L4: every column of a reporting view has a comment'
);
select is_empty(
  $$
    select p.oid::regprocedure from pg_proc as p join ours as n on n.oid = p.pronamespace
    where coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
  $$,
  'L4: every function has a comment'
);
select is_empty(
  $$
    select t.oid::regtype from pg_type as t join ours as n on n.oid = t.typnamespace
    left join pg_class as c on c.oid = t.typrelid
    where (t.typtype in ('e', 'd') or (t.typtype = 'c' and c.relkind = 'c')) and coalesce(obj_description(t.oid, 'pg_type'), '') = ''
  $$,
  'L4: every type has a comment'
);
select is_empty(
  $$
    select t.tgname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid join ours as n on n.oid = c.relnamespace
    where not t.tgisinternal and not c.relispartition and coalesce(obj_description(t.oid, 'pg_trigger'), '') = ''
  $$,
  'L4: every trigger has a comment'
);
select * from finish();
rollback;
