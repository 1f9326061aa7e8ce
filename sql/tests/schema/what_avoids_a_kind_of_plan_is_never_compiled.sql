-- With enable_seqscan or enable_nestloop off what has no other way (a scan of an array, a join with one small table) seems to
-- cost so much before PostgreSQL 18 that a plan of a millisecond is compiled for a second.
begin;
select plan(3);
create temporary view avoiders as
select
  p.oid::regprocedure::text as name,
  p.proconfig
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
  and p.proconfig::text ~ 'enable_[a-z]+=off';
select is_empty(
  $$ select name from avoiders where not 'jit=off' = any (proconfig) $$, 'L8: what avoids a kind of plan is never compiled'
);
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    join pg_proc as p on p.oid = t.tgfoid
    where c.relnamespace = 'drip_core'::regnamespace and (t.tgoldtable is not null or t.tgnewtable is not null)
      and not coalesce('jit=off' = any (p.proconfig), false)
  $$,
  'L8: nor is what reads the rows of a statement, of which no planner knows how many there are'
);
select ok((select count(*) > 30 from avoiders), 'the test sees the functions');
select * from finish();
rollback;
