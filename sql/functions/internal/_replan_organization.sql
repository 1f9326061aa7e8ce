-- owner: drip_engine
-- requires: functions/internal/_continue_replans.sql
-- Plans the open enrollments of an organization anew after its holidays or its default window changed: the first ones at
-- once, the rest by drip.tick.
-- Locks: the enrollments, with skip locked. Errors: none. A repeat changes nothing.
create or replace function drip_core._replan_organization(organization_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  insert into drip_core.replans (organization_id, requested_at)
  values (_replan_organization.organization_id, drip_core.now());
  perform drip_core._continue_replans(array[_replan_organization.organization_id], 1000);
end;
$$;

revoke all on function drip_core._replan_organization(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._replan_organization(bigint) to drip_owner;
comment on function drip_core._replan_organization(bigint) is
'Plans the open enrollments of an organization anew after its holidays or default window changed.';
