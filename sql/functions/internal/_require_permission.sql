-- requires: functions/internal/_require_organization.sql, functions/internal/_caller_role.sql
-- The one place where an API function decides whether its caller may: the organization is the caller's (else as if it did not
-- exist), and its role has the permission, by drip_core.role_permissions. Services without claims have no role: for them
-- the grants of their login decide.
-- Locks: none. Errors: PT403, PT404, PT422 (claims that cannot be read). Harmless to repeat.
create or replace function drip_core._require_permission(organization_id bigint, permission text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_role drip.member_role;
  v_least drip.member_role;
begin
  perform drip_core._require_organization(_require_permission.organization_id);
  v_role := drip_core._caller_role(_require_permission.organization_id);
  if v_role is null then
    return;
  end if;
  v_least := coalesce((
    select p.least_role from drip_core.role_permissions as p where p.permission = _require_permission.permission
  ), 'owner');
  if v_role > v_least then
    raise exception 'not allowed'
      using errcode = 'PT403',
        detail = format('%s needs the role %s; yours is %s', _require_permission.permission, v_least, v_role),
        hint = format('Ask %s of the organization to do it, or to change your role with drip.add_member.', case v_least when 'owner' then 'an owner' else 'an owner or admin' end);
  end if;
end;
$$;

revoke all on function drip_core._require_permission(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_permission(bigint, text) is
'Raises PT404 unless the organization is the caller''s, PT403 unless its role has the permission.';
