-- owner: drip_engine
-- requires: functions/internal/_require_known_keys.sql, functions/internal/_unknown_keys.sql, functions/internal/_list_problems.sql, functions/internal/_insert_organization.sql, functions/internal/_check_window.sql, functions/internal/_parse_window.sql, functions/internal/_replan_organization.sql, functions/internal/_text_problem.sql
-- Checks and stores settings of an organization. The caller has checked that it is its own. Where its holidays or its default
-- window change, open enrollments are planned anew.
-- Locks: the organization's row, then enrollments with skip locked. Errors: PT409 (public_base_url in use), PT422. A repeat changes nothing.
create or replace function drip_core._apply_organization_settings(organization_id bigint, settings jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := _apply_organization_settings.organization_id;
  v_new constant jsonb := _apply_organization_settings.settings;
  v_now constant timestamptz := drip_core.now();
  v_cap constant jsonb := nullif(v_new -> 'contact_cap', 'null');
  v_guard constant jsonb := nullif(v_new -> 'guardrails', 'null');
  v_problems text;
  v_holidays date[];
  v_window record;
  v_old drip_core.organizations;
begin
  perform drip_core._require_known_keys(v_new, array[
    'postal_address', 'public_base_url', 'tracking', 'require_opt_in', 'holidays', 'contact_cap', 'default_window', 'guardrails'
  ], 'settings');

  select drip_core._list_problems(array_agg(concat_ws(': ', p.path, p.message)), e'\n')
  into v_problems
  from (
    select h.path, h.message from drip_core._check_holidays(v_new -> 'holidays', 'settings.holidays') as h
    union all
    select w.path, w.message
    from drip_core._check_window(jsonb_strip_nulls(v_new -> 'default_window'), 'settings.default_window') as w
    where v_new -> 'default_window' <> 'null'
    union all
    select k.path, k.message from drip_core._unknown_keys(v_cap, array['per_day', 'per_week'], 'settings.contact_cap') as k
    where jsonb_typeof(v_cap) = 'object'
    union all
    select k.path, k.message
    from drip_core._unknown_keys(v_guard, array['bounce_rate', 'complaint_rate', 'min_sent', 'days'], 'settings.guardrails') as k
    where jsonb_typeof(v_guard) = 'object'
    union all
    select null, t.problem
    from (values ('postal_address', 1000), ('public_base_url', 500)) as k (key, most)
    cross join lateral drip_core._text_problem(v_new, array[k.key], k.most, 'settings') as t (problem)
    where t.problem is not null
  ) as p;
  if v_problems is not null then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = v_problems, hint = 'Correct what DETAIL names; the guide shows how windows and holidays are written.';
  end if;
  if v_cap is not null then
    if jsonb_typeof(v_cap) <> 'object' then
      raise exception 'invalid settings'
        using errcode = 'PT422', detail = 'settings.contact_cap: an object is needed', hint = 'Pass for example {"per_day": 1, "per_week": 3}.';
    end if;
    if coalesce(v_cap ->> 'per_day', '1') !~ '^[1-9][0-9]{0,3}$' or coalesce(v_cap ->> 'per_week', '1') !~ '^[1-9][0-9]{0,3}$'
      or coalesce(v_cap ->> 'per_day', v_cap ->> 'per_week') is null
    then
      raise exception 'invalid settings'
        using errcode = 'PT422', detail = format('settings.contact_cap: %s', left(v_cap::text, 100)),
          hint = 'Pass whole numbers from 1 to 9999 as per_day, per_week or both; null takes the cap away.';
    end if;
  end if;
  if jsonb_typeof(coalesce(v_new -> 'require_opt_in', 'null')) not in ('boolean', 'null')
    or jsonb_typeof(coalesce(v_new -> 'tracking', 'null')) not in ('boolean', 'null')
  then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = format('settings.%s: true or false is needed', case
          when jsonb_typeof(coalesce(v_new -> 'tracking', 'null')) in ('boolean', 'null') then 'require_opt_in' else 'tracking'
        end), hint = 'Pass a JSON boolean.';
  end if;
  if v_guard is not null and (
    jsonb_typeof(v_guard) <> 'object'
    or exists (
      select from unnest(array['bounce_rate', 'complaint_rate']) as k (key)
      where case jsonb_typeof(v_guard -> k.key)
          when 'number' then (v_guard ->> k.key)::numeric not between 0 and 1
          else jsonb_typeof(v_guard -> k.key) <> 'null'
        end
    )
    or coalesce(v_guard ->> 'min_sent', '1') !~ '^[1-9][0-9]{0,6}$'
    or coalesce(v_guard ->> 'days', '1') !~ '^([1-9]|[12][0-9]|30)$'
  ) then
    raise exception 'invalid settings'
      using errcode = 'PT422', detail = format('settings.guardrails: %s', left(v_guard::text, 100)),
        hint = 'Pass for example {"bounce_rate": 0.05, "complaint_rate": 0.003, "min_sent": 200, "days": 7}; rates are shares from 0 to 1, a null rate is not watched.';
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
  select coalesce(array_agg(distinct h.value::date order by h.value::date), '{}')
  into v_holidays
  from jsonb_array_elements_text(coalesce(nullif(v_new -> 'holidays', 'null'), '[]')) as h;
  select w.* into v_window from drip_core._parse_window(jsonb_strip_nulls(nullif(v_new -> 'default_window', 'null'))) as w;

  select o.* into v_old from drip_core.organizations as o where o.id = v_org for no key update;
  update drip_core.organizations as o
  set
    postal_address = case when v_new ? 'postal_address' then nullif(btrim(v_new ->> 'postal_address'), '') else o.postal_address end,
    public_base_url = case when v_new ? 'public_base_url' then nullif(rtrim(v_new ->> 'public_base_url', '/'), '') else o.public_base_url end,
    require_opt_in = case when v_new ? 'require_opt_in' then coalesce((v_new ->> 'require_opt_in')::boolean, false) else o.require_opt_in end,
    tracking = case when v_new ? 'tracking' then coalesce((v_new ->> 'tracking')::boolean, false) else o.tracking end,
    guard_bounce_rate = case
      when not v_new ? 'guardrails' then o.guard_bounce_rate
      when v_guard ? 'bounce_rate' then (v_guard ->> 'bounce_rate')::numeric
      else 0.05
    end,
    guard_complaint_rate = case
      when not v_new ? 'guardrails' then o.guard_complaint_rate
      when v_guard ? 'complaint_rate' then (v_guard ->> 'complaint_rate')::numeric
      else 0.003
    end,
    guard_min_sent = case when v_new ? 'guardrails' then coalesce((v_guard ->> 'min_sent')::int, 200) else o.guard_min_sent end,
    guard_days = case when v_new ? 'guardrails' then coalesce((v_guard ->> 'days')::int, 7) else o.guard_days end,
    holidays = case when v_new ? 'holidays' then v_holidays else o.holidays end,
    window_timezone = case when v_new ? 'default_window' then v_window.timezone else o.window_timezone end,
    window_weekdays = case when v_new ? 'default_window' then v_window.weekdays else o.window_weekdays end,
    window_starts = case when v_new ? 'default_window' then v_window.starts else o.window_starts end,
    window_ends = case when v_new ? 'default_window' then v_window.ends else o.window_ends end,
    window_holidays = case when v_new ? 'default_window' then v_window.holidays else o.window_holidays end,
    contact_cap_per_day = case when v_new ? 'contact_cap' then (v_cap ->> 'per_day')::int else o.contact_cap_per_day end,
    contact_cap_per_week = case when v_new ? 'contact_cap' then (v_cap ->> 'per_week')::int else o.contact_cap_per_week end,
    settings = jsonb_strip_nulls(o.settings || v_new),
    updated_at = v_now
  where o.id = v_org;

  if exists (
    select from drip_core.organizations as o
    where o.id = v_org
      and (o.holidays, o.window_weekdays, o.window_starts, o.window_ends, o.window_holidays, coalesce(o.window_timezone, ''))
        <> (v_old.holidays, v_old.window_weekdays, v_old.window_starts, v_old.window_ends, v_old.window_holidays, coalesce(v_old.window_timezone, ''))
  ) then
    perform drip_core._replan_organization(v_org);
  end if;
end;
$$;

revoke all on function drip_core._apply_organization_settings(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._apply_organization_settings(bigint, jsonb) to drip_owner;
comment on function drip_core._apply_organization_settings(bigint, jsonb) is 'Checks and stores settings of an organization.';
