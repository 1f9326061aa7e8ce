-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_ensure_profile.sql, functions/internal/_lock_member.sql
-- Makes a profile a member of the caller's organization, or changes its role and addresses.
-- A person must be an owner or admin of it, and only an owner makes or unmakes owners, never the last; a service need not.
-- Locks: the rows of the member and of the owners. Errors: PT403, PT404, PT409, PT422. A repeat changes nothing.
create or replace function drip.add_member(
  organization_id bigint, profile_id uuid, email text, phone text default null, role text default 'member'
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_phone constant text := nullif(drip_core._normalise_phone(add_member.phone), '');
begin
  perform drip_core._require_permission(add_member.organization_id, 'add_member');
  if add_member.profile_id is null then
    raise exception 'a member needs a profile'
      using errcode = 'PT422', detail = 'profile_id is null', hint = 'Pass the uuid of the person in your sign-in system.';
  end if;
  if add_member.role is null or not exists (
    select from unnest(enum_range(null::drip.member_role)) as r (name) where r.name::text = add_member.role
  ) then
    raise exception 'unknown member role'
      using errcode = 'PT422', detail = format('role: %s', coalesce(left(add_member.role, 40), 'null')), hint = 'Use owner, admin, member or viewer.';
  end if;
  if add_member.email is null or length(add_member.email) > 320 or btrim(add_member.email) !~ '^[^@[:space:][:cntrl:]<>,;:"()\\\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+@[^@[:space:][:cntrl:]<>,;:"()\\\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+$' then
    raise exception 'a member needs an email address'
      using errcode = 'PT422', detail = format('email: %s', coalesce(left(add_member.email, 100), 'null')), hint = 'Pass an address such as ann@example.com.';
  end if;
  if v_phone !~ '^\+[1-9][0-9]{6,14}$' then
    raise exception 'invalid phone number'
      using errcode = 'PT422', detail = format('phone: %s', left(add_member.phone, 40)), hint = 'Use the international form, such as +4930123456.';
  end if;
  perform drip_core._lock_member(add_member.organization_id, add_member.profile_id, add_member.role);
  perform drip_core._ensure_profile(add_member.profile_id);
  insert into drip_core.members as m (organization_id, profile_id, role, email, phone)
  values (add_member.organization_id, add_member.profile_id, add_member.role::drip.member_role, btrim(add_member.email), v_phone)
  on conflict on constraint members_pkey do update
  set role = excluded.role, email = excluded.email, phone = excluded.phone;
  perform drip_core._audit(
    add_member.organization_id, 'add_member', jsonb_build_object('profile_id', add_member.profile_id, 'role', add_member.role));
end;
$$;

revoke all on function drip.add_member(bigint, uuid, text, text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.add_member(bigint, uuid, text, text, text) to drip_app;
comment on function drip.add_member(bigint, uuid, text, text, text) is
'Makes a profile a member of an organization (owner, admin, member, viewer) or changes the membership; the last owner stays one. Errors: PT403, PT404, PT409, PT422.';
