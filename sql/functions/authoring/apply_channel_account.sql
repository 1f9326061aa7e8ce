-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_require_known_keys.sql, functions/internal/_is_timezone.sql, functions/internal/_insert_lane.sql, functions/internal/_text_problem.sql, functions/internal/_secret_problem.sql, functions/internal/_secret_names.sql, functions/internal/_caller_role.sql
-- Creates or changes a sender (found by key) and, for a new one, its lane. Absent key keeps, null clears.
-- The channel of an account never changes. Who speaks for one organization only (a JWT, a bound login) may name the secrets that the
-- operator assigned to it (drip.assign_secret), and no others: the runner sends them to the server that the account names. Locks: the account's row. Errors: PT403, PT404, PT409, PT422. A repeat changes nothing.
create or replace function drip.apply_channel_account(organization_id bigint, account jsonb)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := apply_channel_account.organization_id;
  v_new jsonb := apply_channel_account.account;
  v_now constant timestamptz := drip_core.now();
  v_old drip_core.channel_accounts;
  v_merged jsonb;
  v_channel text;
  v_id bigint;
  v_key text;
  v_problem text;
  v_secret text;
begin
  perform drip_core._require_permission(v_org, 'apply_channel_account');
  perform drip_core._require_known_keys(v_new, array[
    'key', 'channel', 'provider', 'address', 'display_name', 'config', 'secret_ref', 'daily_limit', 'ramp_start',
    'ramp_increment', 'min_gap', 'max_gap', 'timezone', 'on_unknown'
  ], 'account');

  select a.*
  into v_old
  from drip_core.channel_accounts as a
  where a.organization_id = v_org and a.key = v_new ->> 'key'
  for no key update;

  v_channel := coalesce(v_new ->> 'channel', v_old.channel::text);
  if v_old.id is null and v_channel = 'whatsapp_lite' then
    v_new := jsonb_build_object('daily_limit', 200, 'min_gap', '1 minute', 'max_gap', '19 minutes')
      || case when v_new ?| array['ramp_start', 'ramp_increment'] then '{}'::jsonb else '{"ramp_start": 20, "ramp_increment": 10}' end
      || v_new;
  end if;
  -- an absent key keeps the old value: what is checked is the account as it will be
  v_merged := case when v_old.id is null then '{}' else jsonb_strip_nulls(to_jsonb(v_old)) end || v_new;

  v_problem := coalesce(
    drip_core._text_problem(v_new, array['key', 'channel', 'provider', 'timezone', 'on_unknown', 'min_gap', 'max_gap'], 100, 'account'),
    drip_core._text_problem(v_new, array['address', 'display_name'], 320, 'account'),
    drip_core._text_problem(v_new, array['secret_ref'], 500, 'account'),
    case when octet_length((v_new -> 'config')::text) > 20000 then 'account.config: at most 20,000 bytes' end,
    drip_core._secret_problem(v_new -> 'config', v_new ->> 'secret_ref'));
  v_problem := case
    when v_problem is not null then v_problem
    when coalesce(v_merged ->> 'key', '') !~ '^[a-z0-9][a-z0-9._-]{0,99}$' then
      'account.key: lower-case letters, digits, dots, dashes and underscores are needed'
    when v_channel is null or not exists (select from unnest(enum_range(null::drip.channel)) as c (name) where c.name::text = v_channel) then
      'account.channel: one of ' || array_to_string(enum_range(null::drip.channel), ', ') || ' is needed'
    when coalesce(v_merged ->> 'provider', '') !~ '^[a-z][a-z0-9_]{0,49}$' then
      'account.provider: the name of a provider is needed, such as smtp'
    when btrim(coalesce(v_merged ->> 'address', '')) = '' then
      'account.address: the address or number that messages come from is needed'
    when v_channel = 'email' and v_merged ->> 'address' !~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;]+$' then
      'account.address: an email address is needed'
    when jsonb_typeof(coalesce(nullif(v_merged -> 'config', 'null'), '{}')) <> 'object' then
      'account.config: an object is needed'
    when coalesce(v_merged -> 'config' ->> 'unsubscribe_address', 'a@b.c') !~ '^[^@[:space:]<>,;?]+@[^@[:space:]<>,;?]+$' then
      'account.config.unsubscribe_address: an email address is needed'
    when v_merged ->> 'timezone' is not null and not drip_core._is_timezone(v_merged ->> 'timezone') then
      format('account.timezone: "%s" is not a zone name; use Area/City such as Europe/Berlin', v_merged ->> 'timezone')
    when coalesce(v_merged ->> 'on_unknown', 'hold') not in ('hold', 'resend') then
      'account.on_unknown: hold or resend is needed'
    when (v_merged ->> 'min_gap' is null) <> (v_merged ->> 'max_gap' is null) then
      'account.min_gap: min_gap and max_gap go together'
    when (v_merged ->> 'ramp_start' is null) <> (v_merged ->> 'ramp_increment' is null) then
      'account.ramp_start: ramp_start and ramp_increment go together'
  end;
  if v_problem is null then
    foreach v_key in array array['daily_limit', 'ramp_start', 'ramp_increment'] loop
      if v_merged ->> v_key !~ '^[0-9]{1,9}$' or (v_key = 'ramp_start' and v_merged ->> v_key = '0') then
        v_problem := format('account.%s: a whole number is needed', v_key);
      end if;
    end loop;
    begin
      v_key := 'min_gap';
      perform (v_merged ->> 'min_gap')::interval;
      v_key := 'max_gap';
      if (v_merged ->> 'min_gap')::interval < interval '0' or (v_merged ->> 'max_gap')::interval < (v_merged ->> 'min_gap')::interval then
        v_problem := 'account.max_gap: must not be shorter than min_gap, and neither below zero';
      elsif (v_merged ->> 'max_gap')::interval > interval '30 days' then
        v_problem := 'account.max_gap: at most 30 days';
      end if;
    exception
      when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
        v_problem := format('account.%s: a duration such as "1 minute" is needed', v_key);
    end;
  end if;
  if v_problem is not null then
    raise exception 'invalid channel account'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Keys: key, channel, provider, address, display_name, config, secret_ref, daily_limit, ramp_start, ramp_increment, min_gap, max_gap, timezone, on_unknown.';
  end if;
  if (v_old.id is null or v_new ?| array['provider', 'config', 'secret_ref']) and drip_core._caller_role(v_org) is not null then
    select n.name into v_secret
    from drip_core._secret_names(nullif(v_merged -> 'config', 'null'), v_merged ->> 'secret_ref') as n (name)
    where n.name not in (select s.secret_ref from drip_core.assigned_secrets as s where s.organization_id = v_org)
    order by n.name
    limit 1;
    if found then
      raise exception 'the secret is not assigned to the organization'
        using errcode = 'PT403', detail = format('account %s: %s', v_merged ->> 'key', v_secret),
          hint = 'The operator of the installation assigns it with drip.assign_secret; until then leave provider, config and secret_ref as they are.';
    end if;
  end if;
  if v_old.id is not null and v_channel <> v_old.channel::text then
    raise exception 'the channel of an account cannot change'
      using errcode = 'PT409', detail = format('account %s is of channel %s', v_old.key, v_old.channel),
        hint = 'Apply a new account under another key and move enrollments with drip.replace_sender.';
  end if;

  insert into drip_core.channel_accounts as a (
    organization_id, key, channel, provider, address, display_name, config, secret_ref, daily_limit, ramp_start,
    ramp_increment, min_gap, max_gap, timezone, on_unknown, created_at, updated_at
  )
  values (
    v_org, v_merged ->> 'key', v_channel::drip.channel, v_merged ->> 'provider', btrim(v_merged ->> 'address'),
    nullif(btrim(v_merged ->> 'display_name'), ''), coalesce(nullif(v_merged -> 'config', 'null'), '{}'), v_merged ->> 'secret_ref',
    (v_merged ->> 'daily_limit')::int, (v_merged ->> 'ramp_start')::int, (v_merged ->> 'ramp_increment')::int,
    (v_merged ->> 'min_gap')::interval, (v_merged ->> 'max_gap')::interval, v_merged ->> 'timezone',
    coalesce(v_merged ->> 'on_unknown', 'hold')::drip.unknown_policy, v_now, v_now
  )
  on conflict on constraint an_account_key_names_one_account do update
  set
    provider = excluded.provider, address = excluded.address, display_name = excluded.display_name, config = excluded.config,
    secret_ref = excluded.secret_ref, daily_limit = excluded.daily_limit, ramp_start = excluded.ramp_start,
    ramp_increment = excluded.ramp_increment, min_gap = excluded.min_gap, max_gap = excluded.max_gap,
    timezone = excluded.timezone, on_unknown = excluded.on_unknown, updated_at = excluded.updated_at
  returning a.id into v_id;

  perform drip_core._insert_lane(v_org, v_id);
  perform drip_core._audit(v_org, 'apply_channel_account', jsonb_build_object('channel_account_id', v_id, 'key', v_merged ->> 'key'));
  return v_id;
end;
$$;

revoke all on function drip.apply_channel_account(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.apply_channel_account(bigint, jsonb) to drip_app;
comment on function drip.apply_channel_account(bigint, jsonb) is
'Creates or changes a sender (found by key) and returns its id; absent key keeps, null clears. whatsapp_lite starts with 200 a day, 20 on the first and 10 more on each, and gaps of 1 to 19 minutes. Errors: PT403, PT404, PT409 (channel), PT422.';
