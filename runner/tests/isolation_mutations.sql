-- What test_isolation_mutations.py does to a schema: for each kind a query that lists (name, statement).
-- Its head: the kind, then the files of sql/tests/schema that are likely to find it, by how their names begin.

-- kind: policy dropped | every_table_has_the_policies
select tablename || '.' || policyname, format('drop policy %I on %I.%I', policyname, schemaname, tablename)
from pg_policies
where schemaname like 'drip%';

-- kind: policy opened | every_table_has_the_policies
select tablename || '.' || policyname, format('alter policy %I on %I.%I using (true)%s', policyname, schemaname, tablename, case when cmd <> 'SELECT' then ' with check (true)' end)
from pg_policies
where schemaname like 'drip%'
and qual <> 'true';

-- kind: policy without check | every_table_has_the_policies
select tablename || '.' || policyname, format('alter policy %I on %I.%I with check (true)', policyname, schemaname, tablename)
from pg_policies
where schemaname like 'drip%'
and with_check <> 'true';

-- kind: policy for everybody | every_table_has_the_policies
select tablename || '.' || policyname, format('alter policy %I on %I.%I to public', policyname, schemaname, tablename)
from pg_policies
where schemaname like 'drip%';

-- kind: policy read per row | a_policy_is
select tablename || '.' || policyname, format('alter policy %I on %I.%I using (%s = drip_core.current_organization())', policyname, schemaname, tablename, case tablename when 'organizations' then 'id' else 'organization_id' end)
from pg_policies
where schemaname like 'drip%'
and qual <> 'true';

-- kind: second policy | every_table_has_the_policies
select relname, format('create policy one_more on drip_core.%I to drip_owner using (true)', relname)
from pg_class
where relnamespace = 'drip_core'::regnamespace
and relkind in ('r', 'p')
and not relispartition;

-- kind: row-level security not forced | row_level_security
select relname, format('alter table drip_core.%I no force row level security', relname)
from pg_class
where relnamespace = 'drip_core'::regnamespace
and relkind in ('r', 'p');

-- kind: row-level security off | row_level_security
select relname, format('alter table drip_core.%I disable row level security', relname)
from pg_class
where relnamespace = 'drip_core'::regnamespace
and relkind in ('r', 'p');

-- kind: relation granted | nothing_is_granted, every_table_and_view
select c.oid::regclass || ' to ' || r.name, format('grant %s on %s to %s', p.privilege, c.oid::regclass, r.name)
from pg_class as c
cross join unnest(array['public', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as r (name)
cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p (privilege)
where c.relnamespace::regnamespace::text in ('drip_core', 'drip_report')
and c.relkind in ('r', 'p', 'v')
and not (c.relkind = 'v'
and r.name = 'drip_analyst'
and p.privilege = 'select')
and not (c.relkind = 'v'
and p.privilege = 'truncate')
and (c.oid::int + ascii(substr(r.name, 6)) + ascii(p.privilege)) % 5 = 0;

-- kind: column granted | every_table_and_view
select c.relname || '.' || a.attname, format('grant select (%I) on drip_core.%I to drip_analyst', a.attname, c.relname)
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid
and a.attnum > 0
and not a.attisdropped
where c.relnamespace = 'drip_core'::regnamespace
and c.relkind in ('r', 'p')
and not c.relispartition
and not has_column_privilege('drip_analyst', c.oid, a.attnum, 'select');

-- kind: sequence granted | nothing_is_granted, every_table_and_view
select c.relname || ' to ' || r.name, format('grant usage on sequence drip_core.%I to %s', c.relname, r.name)
from pg_class as c
cross join unnest(array['public', 'drip_app', 'drip_analyst']) as r (name)
where c.relnamespace = 'drip_core'::regnamespace
and c.relkind = 'S';

-- kind: schema granted | nothing_is_granted
select n.nspname || ' to ' || r.name, format('grant %s on schema %s to %s', p.privilege, n.nspname, r.name)
from pg_namespace as n
cross join unnest(array['public', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as r (name)
cross join unnest(array['usage', 'create']) as p (privilege)
where n.nspname in ('drip', 'drip_core', 'drip_report')
and (r.name = 'public' or not has_schema_privilege(r.name, n.oid, p.privilege));

-- kind: type granted | nothing_is_granted
select t.oid::regtype::text, format('grant usage on type %s to public', t.oid::regtype)
from pg_type as t
left join pg_class as c on c.oid = t.typrelid
where t.typnamespace::regnamespace::text in ('drip', 'drip_core')
and (t.typtype = 'e' or (t.typtype = 'c'
and c.relkind = 'c'));

-- kind: function granted | nothing_is_granted, every_function_has
select p.oid::regprocedure || ' to ' || r.name, format('grant execute on function %s to %s', p.oid::regprocedure, r.name)
from pg_proc as p
cross join unnest(array['public', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as r (name)
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and (r.name = 'public' or not has_function_privilege(r.name, p.oid, 'execute'))
and (p.pronamespace = 'drip'::regnamespace or (p.oid::int + ascii(substr(r.name, 6))) % 6 = 0);

-- kind: function revoked | every_function_has
select p.oid::regprocedure || ' from ' || r.name, format('revoke execute on function %s from %s', p.oid::regprocedure, r.name)
from pg_proc as p
cross join unnest(array['drip_app', 'drip_runner', 'drip_public', 'drip_analyst']) as r (name)
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and has_function_privilege(r.name, p.oid, 'execute');

-- kind: search path not pinned | security_definer
select p.oid::regprocedure::text, format('alter function %s reset search_path', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and p.proconfig::text ~ 'search_path';

-- kind: search path pinned elsewhere | security_definer
select p.oid::regprocedure::text, format('alter function %s set search_path = public, pg_catalog', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and p.proconfig::text ~ 'search_path';

-- kind: plans shown | security_definer
select p.oid::regprocedure::text, format('alter function %s reset debug_print_plan', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and p.proconfig::text ~ 'debug_print_plan';

-- kind: strings read as the caller says | security_definer
select p.oid::regprocedure::text, format('alter function %s reset standard_conforming_strings', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
and p.proconfig::text ~ 'standard_conforming_strings';

-- kind: function of the engine | the_engine_owns
select p.oid::regprocedure::text, format('alter function %s owner to drip_engine', p.oid::regprocedure)
from pg_proc as p
where p.pronamespace = 'drip'::regnamespace
and p.proowner = 'drip_owner'::regrole
and p.prosecdef;

-- kind: function of somebody else | security_definer
select p.oid::regprocedure::text, format('alter function %s owner to %I', p.oid::regprocedure, current_user)
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core');

-- kind: view of its owner | every_view_reads
select c.oid::regclass::text, format('alter view %s set (security_invoker = false)', c.oid::regclass)
from pg_class as c
where c.relkind = 'v'
and c.relnamespace::regnamespace::text in ('drip_core', 'drip_report');

-- kind: view without barrier | every_view_reads
select c.oid::regclass::text, format('alter view %s reset (security_barrier)', c.oid::regclass)
from pg_class as c
where c.relkind = 'v'
and c.relnamespace = 'drip_report'::regnamespace;

-- kind: foreign key dropped | every_reference
select f.conname, format('alter table %s drop constraint %I', f.conrelid::regclass, f.conname)
from pg_constraint as f
where f.contype = 'f' and f.conparentid = 0 and f.connamespace = 'drip_core'::regnamespace
-- where another key leads through another table to the same organization, this one is missed by nobody
and not (f.confrelid = 'drip_core.organizations'::regclass and exists (
  select from pg_constraint as other
  where other.contype = 'f' and other.conrelid = f.conrelid and other.conkey @> f.conkey and cardinality(other.conkey) > 1
));

-- kind: index of a foreign key dropped | every_foreign_key
select min(x.indexrelid)::regclass::text, format('drop index %s', min(x.indexrelid)::regclass)
from pg_constraint as f
join pg_index as x on x.indrelid = f.conrelid
and (x.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey and (x.indkey::int2[])[0:cardinality(f.conkey) - 1] <@ f.conkey
where f.contype = 'f' and f.conparentid = 0 and f.connamespace = 'drip_core'::regnamespace
group by f.oid
-- the only one there is for it
having count(*) = 1 and not bool_or(x.indisunique) and bool_and(coalesce(pg_get_expr(x.indpred, x.indrelid) ~ '^\(?\w+ IS NOT NULL\)?$', true));

-- kind: index made twice | no_index_is
select x.indexrelid::regclass::text, regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX \S+ ON', 'INDEX one_more ON')
from pg_index as x
join pg_class as c on c.oid = x.indrelid
where c.relnamespace = 'drip_core'::regnamespace
and not c.relispartition
and c.relkind = 'r';

-- kind: role that may more | row_level_security
select r.rolname || ' ' || a.attribute, format('alter role %I %s', r.rolname, a.attribute)
from pg_roles as r
cross join unnest(array['superuser', 'bypassrls', 'login', 'createrole', 'createdb']) as a (attribute)
where r.rolname in ('drip_owner', 'drip_engine', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator');

-- kind: role that is another | no_role_is_another
select a.name || ' to ' || b.name, format('grant %s to %s', a.name, b.name) from unnest(array['drip_owner', 'drip_engine', 'drip_app', 'drip_runner', 'drip_analyst', 'drip_simulator']) as a (name)
cross join unnest(array['drip_owner', 'drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as b (name)
where a.name <> b.name
and not pg_has_role(b.name, a.name, 'member')
and not pg_has_role(a.name, b.name, 'member');
