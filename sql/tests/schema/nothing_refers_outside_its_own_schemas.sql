begin;
select plan(3);
select is_empty(
  $$
    select c.conname, c.confrelid::regclass
    from pg_constraint as c
    join pg_class as target on target.oid = c.confrelid
    where c.connamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and target.relnamespace <> 'drip_core'::regnamespace
  $$,
  'L2: no foreign key leaves the package'
);
-- what the catalog knows of dependencies: relations, types and functions used by columns, views, defaults and bound bodies
select is_empty(
  $$
    with ours as (
      select 'pg_class'::regclass as classid, oid from pg_class where relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      union all
      select 'pg_proc'::regclass, oid from pg_proc where pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      union all
      select 'pg_rewrite'::regclass, w.oid from pg_rewrite as w join pg_class as c on c.oid = w.ev_class
      where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
    )
    select pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
    from pg_depend as d
    join ours as o on o.classid = d.classid and o.oid = d.objid
    left join pg_class as c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
    left join pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
    left join pg_type as t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
    where d.refclassid = 'pg_extension'::regclass
      or coalesce(c.relnamespace, p.pronamespace, t.typnamespace)::regnamespace::text
        not in ('drip', 'drip_core', 'drip_report', 'pg_catalog', 'pg_toast')
  $$,
  'L2: nothing depends on another schema or on an extension'
);
select is_empty(
  $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and p.prosrc ~* '\m(auth|storage|extensions|public|information_schema)\s*\.\s*[a-z_]'
  $$,
  'L2: no function body names a schema of a platform'
);
select * from finish();
rollback;
