-- owner: drip_engine
-- requires: functions/internal/_require_known_keys.sql, functions/internal/_read_time.sql, functions/internal/_bounce_reason.sql, functions/internal/_apply_provider_event.sql
-- Stores one report of a provider, unless it is there, and reacts to it; see drip.record_provider_event, whose answer it gives,
-- with the id of what was stored. Whether the caller may has been asked.
-- Locks: as _react_to_provider_event. Errors: PT422. A repeat answers duplicate.
create or replace function drip_core._store_provider_event(organization_id bigint, event jsonb, out provider_event_id bigint, out outcome text)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _store_provider_event.organization_id;
  v_new constant jsonb := jsonb_strip_nulls(_store_provider_event.event);
  v_now constant timestamptz := drip_core.now();
  v_detail jsonb := coalesce(v_new -> 'detail', '{}');
  v_word text := lower(v_new ->> 'type');
  v_type drip.provider_fact;
  v_at timestamptz;
  v_problem text;
  v_key text;
begin
  perform drip_core._require_known_keys(v_new, array[
    'provider_message_id', 'message_token', 'type', 'occurred_at', 'reason', 'external_id', 'detail'
  ], 'event');
  v_word := case v_word when 'read' then 'opened' when 'dropped' then 'failed' else v_word end;
  if v_word is null or v_word <> all (enum_range(null::drip.provider_fact)::text[]) then
    v_problem := format('event.type: one of %s is needed', array_to_string(enum_range(null::drip.provider_fact)::text[], ', '));
  end if;
  if btrim(concat(v_new ->> 'message_token', v_new ->> 'provider_message_id')) = '' then
    v_problem := 'event: message_token or provider_message_id is needed';
  end if;
  select format('event.%s: a text is needed', k.key)
  into v_problem
  from unnest(array['provider_message_id', 'message_token', 'occurred_at', 'reason', 'external_id']) as k (key)
  where v_problem is null and jsonb_typeof(v_new -> k.key) <> 'string'
  union all
  select v_problem where v_problem is not null
  limit 1;
  if jsonb_typeof(v_detail) <> 'object' then
    v_problem := 'event.detail: an object is needed';
  end if;
  v_at := drip_core._read_time(v_new ->> 'occurred_at');
  if v_new ? 'occurred_at' and v_at is null then
    v_problem := format('event.occurred_at: "%s" is not a time such as 2026-12-01T09:30:00Z', left(v_new ->> 'occurred_at', 40));
  end if;
  if v_problem is not null then
    raise exception 'invalid event'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Keys: provider_message_id or message_token, type, occurred_at, reason, external_id, detail{}.';
  end if;
  v_type := v_word::drip.provider_fact;
  if octet_length(v_detail::text) > 16000 then
    -- bounded: what is read of it stays
    v_detail := jsonb_strip_nulls(jsonb_build_object(
      'truncated', true, 'status', left(v_detail ->> 'status', 100), 'class', left(v_detail ->> 'class', 100),
      'recipient', left(v_detail ->> 'recipient', 500), 'user_agent', left(v_detail ->> 'user_agent', 500),
      'url', left(v_detail ->> 'url', 2000), 'is_machine', v_detail -> 'is_machine' = 'true'));
  end if;

  v_key := case
    when btrim(v_new ->> 'external_id') <> '' then 'id:' || case
      when length(v_new ->> 'external_id') <= 500 then btrim(v_new ->> 'external_id')
      else encode(sha256(convert_to(v_new ->> 'external_id', 'UTF8')), 'hex')
    end
    else 'hash:' || encode(sha256(convert_to(v_new::text || case when v_at is null then v_now::text else '' end, 'UTF8')), 'hex')
  end;
  -- of an erased person it has lost its name
  if exists (
    select from drip_core.provider_events as p
    where p.organization_id = v_org and p.dedupe_key = 'erased:' || encode(sha256(convert_to(v_key, 'UTF8')), 'hex')
  ) then
    outcome := 'duplicate';
    return;
  end if;
  insert into drip_core.provider_events as p (
    organization_id, dedupe_key, type, reason, message_token, provider_message_id, occurred_at, recorded_at, detail
  )
  values (
    v_org,
    v_key,
    v_type,
    case when v_type in ('bounced', 'failed') then drip_core._bounce_reason(v_type, v_new ->> 'reason', v_detail) end,
    left(btrim(v_new ->> 'message_token'), 200), left(btrim(v_new ->> 'provider_message_id'), 500), least(coalesce(v_at, v_now), v_now), v_now,
    case when v_new ? 'reason' then jsonb_build_object('reason', left(v_new ->> 'reason', 500)) else '{}' end || v_detail
  )
  on conflict on constraint a_provider_event_lands_once do nothing
  returning p.id into provider_event_id;
  if provider_event_id is null then
    outcome := 'duplicate';
    return;
  end if;
  perform drip_core._apply_provider_event(v_org, provider_event_id);
  select case p.state when 'applied' then 'recorded' when 'unmatched' then 'unknown' else p.state::text end
  into outcome
  from drip_core.provider_events as p
  where p.organization_id = v_org and p.id = provider_event_id;
end;
$$;

revoke all on function drip_core._store_provider_event(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._store_provider_event(bigint, jsonb) is 'Stores one report of a provider and reacts to it: its id, and the answer of drip.record_provider_event.';
