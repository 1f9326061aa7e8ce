-- requires: functions/internal/current_profile.sql, functions/internal/_is_bound_login.sql, functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_lock_member.sql
-- Ends a profile's membership of the caller's organization: from the next call on it is nobody there, whatever its token says.
-- Its tests go with it; what it did stays in events and audit trail.
-- A person must be an owner or admin of it (to leave, any member), and only an owner removes an owner, never the last; a service
-- need not. A bound login leaves as nobody: it writes its claims itself, and is asked for its role.
-- Locks: the rows of the member and of the owners. Errors: PT403, PT404, PT409, PT422. A repeat answers false.
create or replace function drip.remove_member(organization_id bigint, profile_id uuid)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := remove_member.organization_id;
  v_profile constant uuid := remove_member.profile_id;
begin
  if v_profile = drip_core.current_profile() and not drip_core._is_bound_login() then
    perform drip_core._require_organization(v_org);
  else
    perform drip_core._require_permission(v_org, 'remove_member');
  end if;
  if v_profile is null then
    raise exception 'a member needs a profile'
      using errcode = 'PT422', detail = 'profile_id is null', hint = 'Pass the uuid of the person in your sign-in system.';
  end if;
  perform drip_core._lock_member(v_org, v_profile, null);
  if not exists (select from drip_core.members as m where m.organization_id = v_org and m.profile_id = v_profile) then
    return false;
  end if;
  -- who leaves may write nothing afterwards
  perform drip_core._audit(v_org, 'remove_member', jsonb_build_object('profile_id', v_profile));
  delete from drip_core.test_messages as t where t.organization_id = v_org and t.to_profile_id = v_profile;
  delete from drip_core.members as m where m.organization_id = v_org and m.profile_id = v_profile;
  return true;
end;
$$;

revoke all on function drip.remove_member(bigint, uuid) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.remove_member(bigint, uuid) to drip_app;
comment on function drip.remove_member(bigint, uuid) is
'Ends a membership; whether there was one. The last owner stays. Errors: PT403, PT404, PT409, PT422.';
