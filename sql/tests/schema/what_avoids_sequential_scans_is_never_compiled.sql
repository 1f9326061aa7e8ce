-- With enable_seqscan off a scan that has no other way (of an array, of a transition table) seems to cost so much before
-- PostgreSQL 18 that a plan of a millisecond is compiled for a second.
begin;
select plan(2);
create temporary view without_scans as
select
  p.oid::regprocedure::text as name,
  p.proconfig
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core') and 'enable_seqscan=off' = any(p.proconfig);
select is_empty(
  $$ select name from without_scans where not 'jit=off' = any (proconfig) $$, 'L8: what avoids sequential scans is never compiled'
);
select ok((select count(*) > 30 from without_scans), 'the test sees the functions');
select * from finish();
rollback;
