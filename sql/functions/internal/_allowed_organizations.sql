-- owner: drip_engine
-- requires: functions/internal/_simulated_organization.sql
-- The organizations a runner may work for: those its login is bound to, narrowed to the one it asks for; null for all.
-- Inside a simulation: its shadow organization and no other.
-- Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._allowed_organizations(organization_id bigint)
returns bigint[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_allowed bigint[];
  v_shadow constant bigint := drip_core._simulated_organization();
begin
  if v_shadow is not null then
    return array[v_shadow];
  end if;
  select array_agg(lo.organization_id)
  into v_allowed
  from drip_core.login_organizations as lo
  where lo.login = session_user;
  if _allowed_organizations.organization_id is null then
    return v_allowed;
  end if;
  if not (v_allowed is null or _allowed_organizations.organization_id = any (v_allowed))
    or not exists (select from drip_core.organizations as o where o.id = _allowed_organizations.organization_id)
  then
    raise exception 'organization not found'
      using errcode = 'PT404', detail = format('organization_id: %s', _allowed_organizations.organization_id),
        hint = 'Leave organization_id out to work for all organizations of the login.';
  end if;
  return array[_allowed_organizations.organization_id];
end;
$$;

revoke all on function drip_core._allowed_organizations(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._allowed_organizations(bigint) is 'The organizations a runner may work for; null for all.';
