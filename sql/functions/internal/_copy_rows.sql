-- owner: drip_engine
-- Copies rows of a tenant table to another organization, ids and all: every column there is, so that none can be forgotten.
-- condition is a fragment of the engine's own over the alias c; $1 is the organization, $2 the copy, $3 are ids.
-- Locks: none beyond those of an insert. Errors: those of the constraints. Not to be repeated.
create or replace function drip_core._copy_rows(
  table_name text, from_organization_id bigint, to_organization_id bigint, condition text default 'true', ids bigint[] default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_columns text;
begin
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
  into v_columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = format('drip_core.%I', _copy_rows.table_name)::regclass
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> 'organization_id';
  execute format(
    'insert into drip_core.%1$I (organization_id, %2$s) overriding system value select $2, %2$s from drip_core.%1$I as c where c.organization_id = $1 and (%3$s)',
    _copy_rows.table_name, v_columns, _copy_rows.condition
  ) using _copy_rows.from_organization_id, _copy_rows.to_organization_id, _copy_rows.ids;
end;
$$;

revoke all on function drip_core._copy_rows(text, bigint, bigint, text, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._copy_rows(text, bigint, bigint, text, bigint[]) is 'Copies rows of a tenant table to another organization, ids and all.';
