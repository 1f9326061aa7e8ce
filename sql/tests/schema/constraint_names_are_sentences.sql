begin;
select plan(3);
create temporary view named as
select
  c.conname::text as name,
  c.conrelid::regclass as relation,
  c.contype
from pg_constraint as c
inner join pg_class as r on c.conrelid = r.oid
where c.connamespace = 'drip_core'::regnamespace and not r.relispartition and c.contype in ('c', 'u', 'f', 'p', 'x');

select is_empty(
  $$ select name, relation from named where contype <> 'p' and name ~ '_(check|fkey|key|excl|not_null)[0-9]*$' $$,
  'no constraint has a generated name'
);
select is_empty(
  $$ select name, relation from named where contype <> 'p' and cardinality(string_to_array(name, '_')) < 3 $$,
  'a constraint says what holds, in three words or more'
);
select is_empty(
  $$ select name, relation from named where contype = 'p' and name <> split_part(relation::text, '.', 2) || '_pkey' $$,
  'a primary key is named after its table'
);
select * from finish();
rollback;
