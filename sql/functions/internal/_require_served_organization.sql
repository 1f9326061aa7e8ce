-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/internal/_require_organization.sql
-- Refuses an organization that the caller has no part in: members of drip_runner (and the operator) may work for every
-- organization their login is not kept from, anybody else only for its own.
-- Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._require_served_organization(organization_id bigint)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- a gateway's login may be a member of everything it switches to: claims say that it speaks for somebody else
  if pg_has_role(session_user, 'drip_runner', 'member') and coalesce(current_setting('request.jwt.claims', true), '') = ''
    and _require_served_organization.organization_id is not null
  then
    perform drip_core._allowed_organizations(_require_served_organization.organization_id);
  else
    perform drip_core._require_organization(_require_served_organization.organization_id);
  end if;
end;
$$;

revoke all on function drip_core._require_served_organization(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_served_organization(bigint) is 'Raises PT404 for an organization that the caller has no part in.';
