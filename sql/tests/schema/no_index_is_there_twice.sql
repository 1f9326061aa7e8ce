begin;
select plan(4);
create temporary view indexes as
select
  x.indexrelid::regclass::text as name,
  x.indrelid,
  x.indkey::text as columns,
  x.indclass::text as classes,
  x.indoption::text as options,
  coalesce(pg_get_expr(x.indexprs, x.indrelid), '') as expressions,
  coalesce(pg_get_expr(x.indpred, x.indrelid), '') as predicate,
  x.indisunique as is_unique,
  x.indisvalid as is_valid
from pg_index as x
inner join pg_class as c on x.indexrelid = c.oid
where c.relnamespace = 'drip_core'::regnamespace;

select is_empty(
  $$
    select array_agg(name) from indexes
    group by indrelid, columns, classes, options, expressions, predicate
    having count(*) > 1
  $$,
  'L8: no two indexes are the same'
);
select is_empty(
  $$
    select shorter.name, longer.name
    from indexes as shorter
    join indexes as longer on longer.indrelid = shorter.indrelid and longer.columns like shorter.columns || ' %'
      and longer.predicate = shorter.predicate and shorter.expressions = '' and longer.options like shorter.options || ' %'
      and longer.classes like shorter.classes || ' %'
    where not shorter.is_unique
  $$,
  'L8: none is the beginning of another'
);
select is_empty($$ select name from indexes where not is_valid $$, 'L8: each is valid');
select ok((select count(*) > 60 from indexes), 'the test sees the indexes');
select * from finish();
rollback;
