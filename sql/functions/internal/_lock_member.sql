-- requires: functions/internal/_require_permission.sql
-- Locks a membership that is about to change, with those of all owners, and judges it: what an owner is, only an owner changes,
-- and somebody must be left who is one.
-- Locks: the rows of the member and of the owners, in the order of their profiles: two owners who unmake each other wait for one another.
-- Errors: PT403, PT409. Harmless to repeat.
create or replace function drip_core._lock_member(organization_id bigint, profile_id uuid, new_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _lock_member.organization_id;
  v_profile constant uuid := _lock_member.profile_id;
  v_is_owner boolean;
begin
  perform
  from drip_core.members as m
  where m.organization_id = v_org and (m.profile_id = v_profile or m.role = 'owner')
  order by m.profile_id
  for no key update;
  -- also where a rival made it one meanwhile: what is judged is what is overwritten
  v_is_owner := exists (
    select from drip_core.members as m where m.organization_id = v_org and m.profile_id = v_profile and m.role = 'owner'
  );
  if v_is_owner or _lock_member.new_role = 'owner' then
    perform drip_core._require_permission(v_org, 'assign_owner');
  end if;
  if v_is_owner and _lock_member.new_role is distinct from 'owner' and not exists (
    select from drip_core.members as m where m.organization_id = v_org and m.profile_id <> v_profile and m.role = 'owner'
  ) then
    raise exception 'an organization keeps an owner'
      using errcode = 'PT409', detail = format('profile_id: %s is the only one', v_profile),
        hint = 'Make another member an owner first: drip.add_member with the role owner.';
  end if;
end;
$$;

revoke all on function drip_core._lock_member(bigint, uuid, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._lock_member(bigint, uuid, text) is
'Locks a membership that is about to change; raises PT403 where only an owner may, PT409 where no owner would be left.';
