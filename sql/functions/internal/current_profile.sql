-- owner: drip_engine
-- requires: functions/internal/_claimed_profile.sql, functions/internal/current_organization.sql
-- The profile of the caller, where it is a member of the caller's organization: who did it, in the history. Null for
-- services, and for a login that claims to be somebody it is not.
-- Locks: none. Errors: PT422 for claims that cannot be read. Harmless to repeat.
create or replace function drip_core.current_profile()
returns uuid
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_claimed constant uuid := drip_core._claimed_profile();
begin
  if v_claimed is null then
    return null;
  end if;
  return (
    select m.profile_id
    from drip_core.members as m
    where m.organization_id = drip_core.current_organization() and m.profile_id = v_claimed
  );
end;
$$;

revoke all on function drip_core.current_profile() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core.current_profile() to drip_owner;
comment on function drip_core.current_profile() is
'The profile of the caller (sub of request.jwt.claims), where it is a member of the organization; null for services.';
