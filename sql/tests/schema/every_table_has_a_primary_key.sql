begin;
select plan(3);
select set_eq(
  $$
    select c.relname::text from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and not exists (select from pg_index as x where x.indrelid = c.oid and x.indisprimary)
  $$,
  -- its partitions have that of events, whose place they take
  array['reduced_events'],
  'L8: every table has a primary key'
);
select is_empty(
  $$
    select c.oid::regclass from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and c.relispartition
      and not exists (select from pg_index as x where x.indrelid = c.oid and x.indisprimary)
  $$,
  'L8: so does every partition'
);
-- row-level security without a policy lets nobody in: meant for partitions, which are reached through their parents
select is_empty(
  $$
    select c.oid::regclass from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and not exists (select from pg_policy as p where p.polrelid = c.oid)
  $$,
  'L1: every table has a policy'
);
select * from finish();
rollback;
