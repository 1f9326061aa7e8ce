-- requires: functions/internal/current_organization.sql
-- Refuses an organization that is not the caller's, in the words used for one that does not exist.
-- Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._require_organization(organization_id bigint)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if _require_organization.organization_id is distinct from drip_core.current_organization()
    or not exists (select from drip_core.organizations as o where o.id = _require_organization.organization_id)
  then
    raise exception 'organization not found'
      using errcode = 'PT404',
        detail = format('organization_id: %s', coalesce(_require_organization.organization_id::text, 'null')),
        hint = 'Name your own organization: set drip.organization_id to the same id, or sign in as one of its members.';
  end if;
end;
$$;

revoke all on function drip_core._require_organization(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_organization(bigint) is 'Raises PT404 unless the argument is the organization of the caller.';
