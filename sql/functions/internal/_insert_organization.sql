-- owner: drip_engine
-- Inserts an organization, the one row that exists before there is a caller's organization, and the first entry of its audit trail.
-- Locks: none. Errors: those of the constraints. A repeat inserts another one.
create or replace function drip_core._insert_organization(name text, timezone text)
returns bigint
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
begin atomic
  with made as (
    insert into drip_core.organizations (name, timezone) values (_insert_organization.name, _insert_organization.timezone)
    returning id
  ),

  audited as (
    insert into drip_core.audit_entries (organization_id, function_name)
    select
      m.id,
      'create_organization' as function_name
    from made as m
  )

  select m.id from made as m;
end;

revoke all on function drip_core._insert_organization(text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._insert_organization(text, text) to drip_owner;
comment on function drip_core._insert_organization(text, text) is 'Inserts an organization and returns its id.';
