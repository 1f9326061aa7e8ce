-- owner: drip_engine
-- requires: functions/internal/_require_known_keys.sql, functions/internal/_insert_organization.sql, functions/internal/_is_timezone.sql
-- Checks and stores settings of an organization. The caller has checked that it is its own.
-- Locks: the organization's row. Errors: PT409 (public_base_url in use), PT422. A repeat changes nothing.
create or replace function drip_core._apply_organization_settings(organization_id bigint, settings jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _apply_organization_settings.organization_id;
  v_new constant jsonb := _apply_organization_settings.settings;
  v_now constant timestamptz := drip_core.now();
  v_key text;
  v_holidays date[];
begin
  perform drip_core._require_known_keys(v_new, array[
    'postal_address', 'public_base_url', 'tracking', 'require_opt_in', 'holidays', 'contact_cap', 'default_window'
  ], 'settings');

  foreach v_key in array array['contact_cap', 'default_window'] loop
    if v_new ? v_key and v_new -> v_key <> 'null' then
      raise exception 'invalid settings'
        using errcode = 'PT422', detail = format('settings.%s: not supported yet by this version', v_key), hint = 'Leave it out.';
    end if;
  end loop;
  if coalesce(v_new ->> 'tracking', 'false') <> 'false' then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = 'settings.tracking: not supported yet by this version', hint = 'Leave it out or set it to false.';
  end if;
  if jsonb_typeof(coalesce(v_new -> 'require_opt_in', 'null')) not in ('boolean', 'null') then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = 'settings.require_opt_in: true or false is needed', hint = 'Pass a JSON boolean.';
  end if;
  if v_new ->> 'public_base_url' !~ '^https?://[^[:space:]/]{2,}[^[:space:]]*$' then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = format('settings.public_base_url: %s', left(v_new ->> 'public_base_url', 100)),
        hint = 'Pass an https:// address, such as https://mail.example.com.';
  end if;
  if v_new ? 'public_base_url' and v_new ->> 'public_base_url' is null and exists (
    select from drip_core.sequences as s
    join drip_core.sequence_versions as sv on sv.organization_id = v_org and sv.sequence_id = s.id
    where s.organization_id = v_org and s.status <> 'archived' and 'email' = any (sv.channels)
  ) then
    raise exception 'the public_base_url is in use'
      using errcode = 'PT409', detail = 'settings.public_base_url: unsubscribe links of published email steps are made of it',
        hint = 'Set another address, or archive the sequences with email steps first.';
  end if;
  if coalesce(jsonb_typeof(nullif(v_new -> 'holidays', 'null')), 'array') <> 'array' then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = 'settings.holidays: a list of dates is needed', hint = 'Pass for example ["2026-12-25"].';
  end if;
  begin
    select coalesce(array_agg(distinct h.value::date order by h.value::date), '{}')
    into v_holidays
    from jsonb_array_elements_text(coalesce(nullif(v_new -> 'holidays', 'null'), '[]')) as h;
  exception
    when invalid_datetime_format or datetime_field_overflow then
      raise exception 'invalid settings'
        using errcode = 'PT422', detail = 'settings.holidays: ' || sqlerrm, hint = 'Pass dates as YYYY-MM-DD.';
  end;

  update drip_core.organizations as o
  set
    postal_address = case when v_new ? 'postal_address' then nullif(btrim(v_new ->> 'postal_address'), '') else o.postal_address end,
    public_base_url = case when v_new ? 'public_base_url' then nullif(rtrim(v_new ->> 'public_base_url', '/'), '') else o.public_base_url end,
    require_opt_in = case when v_new ? 'require_opt_in' then coalesce((v_new ->> 'require_opt_in')::boolean, false) else o.require_opt_in end,
    holidays = case when v_new ? 'holidays' then v_holidays else o.holidays end,
    settings = jsonb_strip_nulls(o.settings || v_new),
    updated_at = v_now
  where o.id = v_org;
end;
$$;

revoke all on function drip_core._apply_organization_settings(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._apply_organization_settings(bigint, jsonb) to drip_owner;
comment on function drip_core._apply_organization_settings(bigint, jsonb) is 'Checks and stores settings of an organization.';
