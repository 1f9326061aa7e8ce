-- owner: drip_engine
-- requires: functions/internal/_claimed_profile.sql
-- The role as which the caller acts in an organization; null for the operator and for trusted services, which are no members.
-- Claims: the role of their profile's membership. A bound login: the role it was bound with; with claims, the lesser of both.
-- For an organization that is not the caller's it says viewer, the least there is; _require_organization refuses it anyway.
-- Locks: none. Errors: PT422 for claims that cannot be read. Harmless to repeat.
create or replace function drip_core._caller_role(organization_id bigint)
returns drip.member_role
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_role drip.member_role;
  v_bound drip.member_role;
begin
  if exists (select from drip_core.login_organizations as lo where lo.login = session_user) then
    select lo.role into v_bound
    from drip_core.login_organizations as lo
    where lo.login = session_user and lo.organization_id = _caller_role.organization_id;
    v_bound := coalesce(v_bound, 'viewer');
  end if;
  if coalesce(current_setting('request.jwt.claims', true), '') <> '' then
    select m.role into v_role
    from drip_core.members as m
    where m.organization_id = _caller_role.organization_id and m.profile_id = drip_core._claimed_profile();
    v_role := coalesce(v_role, 'viewer');
  end if;
  -- in the order of the enum the lesser role is the greater value
  return greatest(v_role, v_bound);
end;
$$;

revoke all on function drip_core._caller_role(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._caller_role(bigint) to drip_owner;
comment on function drip_core._caller_role(bigint) is
'The role as which the caller acts in an organization, from its claims or its bound login; null for the operator and trusted services.';
