begin;
select plan(5);
create temporary view relations as
select
  c.oid,
  c.oid::regclass::text as name,
  c.relkind,
  c.relnamespace::regnamespace::text as schema,
  coalesce(c.reloptions, '{}') as options
from pg_class as c
where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report');

select is_empty(
  $$ select name from relations where relkind = 'v' and not options && array['security_invoker=true', 'security_invoker=on'] $$,
  'H2: every view reads as its caller, under the caller''s row-level security'
);
-- a function in a caller's where clause would otherwise see rows before the view has dropped them
select is_empty(
  $$ select name from relations where relkind = 'v' and schema = 'drip_report' and not options @> array['security_barrier=true'] $$,
  'H2: reporting views are barriers'
);
select is_empty(
  $$ select name from relations where relkind in ('m', 'f') $$,
  'H2: no materialized view and no foreign table: neither knows row-level security'
);
select is_empty(
  $$
    select r.name, w.rulename from pg_rewrite as w join relations as r on r.oid = w.ev_class
    where w.rulename <> '_RETURN'
  $$,
  'H2: no rule rewrites what somebody asks'
);
select ok((
  select count(*) > 5 from relations
  where relkind = 'v'
), 'the test sees the views');
select * from finish();
rollback;
