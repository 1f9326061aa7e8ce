-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/internal/_require_permission.sql
-- Refuses an organization that the caller has no part in: members of drip_runner (and the operator) may work for every
-- organization their login is not kept from, anybody else only for its own, and as far as its role has the permission.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
drop function if exists drip_core._require_served_organization(bigint);
create or replace function drip_core._require_served_organization(organization_id bigint, permission text)
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
    perform drip_core._require_permission(_require_served_organization.organization_id, _require_served_organization.permission);
  end if;
end;
$$;

revoke all on function drip_core._require_served_organization(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_served_organization(bigint, text) is 'Raises PT404 for an organization that the caller has no part in, PT403 where its role lacks the permission.';
