-- What a policy calls per row, a scan of a million rows calls a million times; what it reads per row, it reads that often.
begin;
select plan(6);
create temporary view policies as
select
  c.oid::regclass::text as table_name,
  p.polname::text as name,
  p.polcmd as command,
  p.polpermissive as is_permissive,
  p.polroles as roles,
  c.relrowsecurity as is_on,
  x.expression
from pg_policy as p
inner join pg_class as c on p.polrelid = c.oid
cross join lateral (values (pg_get_expr(p.polqual, p.polrelid)), (pg_get_expr(p.polwithcheck, p.polrelid))) as x (expression)
where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report');

select is_empty(
  $$
    select table_name, name, expression from policies
    -- what stands in a scalar sub-select without FROM is computed once
    where regexp_replace(expression, '\( SELECT [a-z_.]+\(\) AS [a-z_]+\)', 'once', 'g') ~ '[a-z_]\s*\(|SELECT|FROM|current_setting'
  $$,
  'H2: no policy calls a function, reads a setting or reads another table per row'
);
select is_empty(
  $$
    select p.polrelid::regclass, p.polname, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
    from pg_policy as p
    join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
    where d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid
      and p.polrelid in (select c.oid from pg_class as c where c.relnamespace = 'drip_core'::regnamespace)
  $$,
  'H2: nor does the catalog know of one that depends on another table'
);
select is_empty(
  $$
    select table_name, r.oid::regrole, count(distinct name)
    from policies cross join unnest(roles) as r (oid)
    where is_permissive
    group by table_name, r.oid
    having count(distinct name) > 1
  $$,
  'H2: one policy per table and role: a second permissive one would widen the first'
);
select is_empty($$ select table_name, name from policies where not is_on $$, 'H2: no policy on a table whose row-level security is off');
-- what anybody but the engine and the migrator may write or read everywhere is not kept apart at all
select is_empty(
  $$
    select table_name, name from policies
    where expression = 'true' and not (command = 'r' and name = 'everybody_reads')
      and exists (select from unnest(roles) as r (oid) where r.oid = 0 or r.oid::regrole::text not in ('drip_engine', 'drip_owner'))
  $$,
  'H2: no policy lets everything pass but the engine''s and the migrator''s'
);
select ok((select count(*) > 60 from policies), 'the test sees the policies');
select * from finish();
rollback;
