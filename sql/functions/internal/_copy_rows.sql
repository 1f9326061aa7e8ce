-- owner: drip_engine
-- Copies rows of a tenant table to another organization, ids and all: every column there is, so that none can be forgotten.
-- Where key_column is given, only rows whose value of it is among key_values.
-- Locks: none beyond those of an insert. Errors: those of the constraints. Not to be repeated.
create or replace function drip_core._copy_rows(
  table_name regclass, from_organization_id bigint, to_organization_id bigint, key_column text default null, key_values bigint[] default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_columns text;
  v_key constant name := coalesce(_copy_rows.key_column, 'organization_id');
begin
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
  into v_columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = _copy_rows.table_name
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> 'organization_id';
  execute format(
    'insert into %1$s (organization_id, %2$s) overriding system value
      select $2, %2$s from %1$s as c where c.organization_id = $1 and ($3 is null or c.%3$I = any ($3))',
    _copy_rows.table_name, v_columns, v_key
  ) using _copy_rows.from_organization_id, _copy_rows.to_organization_id, _copy_rows.key_values;
end;
$$;

revoke all on function drip_core._copy_rows(regclass, bigint, bigint, text, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._copy_rows(regclass, bigint, bigint, text, bigint[]) is 'Copies rows of a tenant table to another organization, ids and all.';
