-- requires: functions/internal/_apply_organization_settings.sql
-- Creates an organization. For the operator (members of drip_owner, superusers): it is granted to no API role.
-- Locks: none. Errors: PT422. A repeat creates another one.
create or replace function drip.create_organization(name text, timezone text default 'UTC', settings jsonb default '{}')
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_id bigint;
begin
  if btrim(coalesce(create_organization.name, '')) = '' then
    raise exception 'an organization needs a name'
      using errcode = 'PT422', detail = 'name is blank', hint = 'Pass the name that recipients know you by.';
  end if;
  if length(create_organization.name) > 200 then
    raise exception 'an organization needs a name'
      using errcode = 'PT422', detail = 'name: at most 200 characters', hint = 'Pass the name that recipients know you by.';
  end if;
  if create_organization.timezone is null or not drip_core._is_timezone(create_organization.timezone) then
    raise exception 'unknown time zone'
      using errcode = 'PT422', detail = format('timezone: %s', coalesce(left(create_organization.timezone, 60), 'null')),
        hint = 'Use an Area/City name such as Europe/Berlin, or UTC.';
  end if;
  v_id := drip_core._insert_organization(btrim(create_organization.name), create_organization.timezone);
  perform drip_core._apply_organization_settings(v_id, coalesce(create_organization.settings, '{}'));
  return v_id;
end;
$$;

revoke all on function drip.create_organization(text, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip.create_organization(text, text, jsonb) is
'Creates an organization and returns its id. Operator only. Errors: PT422 (name, time zone, settings).';
