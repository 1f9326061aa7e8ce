-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_read_time.sql
-- What a gateway says of the session of a sender: connected, disconnected or banned.
--   banned        stops the sender whatever its state; drip.resume_lane alone lets it send again
--   disconnected  stops it while it is active; its return lets it send again
--   connected     lets a sender send again that was stopped because its session was gone, and no other; a gap comes first
-- What is stopped waits unharmed. Keys: state (required), occurred_at (the gateway's time, by which late news are known),
-- detail. Answers blocked, resumed, unchanged, or stale (said before what is known already).
-- Locks: the lane. Errors: PT403, PT404, PT422. A repeat answers unchanged.
create or replace function drip.record_connection(organization_id bigint, account_key text, connection jsonb)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := record_connection.organization_id;
  v_new constant jsonb := jsonb_strip_nulls(record_connection.connection);
  v_now constant timestamptz := drip_core.now();
  v_at timestamptz := drip_core._read_time(v_new ->> 'occurred_at');
  v_state drip.connection_state;
  v_l record;
  v_answer text;
begin
  perform drip_core._require_served_organization(v_org, 'record_connection');
  if jsonb_typeof(v_new) is distinct from 'object' or v_new ->> 'state' is null
    or v_new ->> 'state' <> all (enum_range(null::drip.connection_state)::text[]) or (v_new ? 'occurred_at' and v_at is null)
  then
    raise exception 'invalid connection'
      using errcode = 'PT422', detail = format('connection: %s', left(coalesce(v_new::text, 'null'), 200)),
        hint = 'Keys: state (connected, disconnected or banned), occurred_at, detail.';
  end if;
  v_state := (v_new ->> 'state')::drip.connection_state;
  v_at := coalesce(v_at, v_now);
  select l.channel_account_id as id, l.status, l.connection, l.connection_at, l.resumes_on_connect, a.min_gap, a.max_gap
  into v_l
  from drip_core.channel_accounts as a
  join drip_core.lanes as l on l.organization_id = v_org and l.channel_account_id = a.id
  where a.organization_id = v_org and a.key = record_connection.account_key
  for no key update of l;
  if not found then
    raise exception 'channel account not found'
      using errcode = 'PT404', detail = format('account_key: %s', coalesce(left(record_connection.account_key, 100), 'null')),
        hint = 'drip.list_channel_accounts shows the senders there are.';
  end if;
  if v_at < v_l.connection_at then
    return 'stale';
  elsif v_at = v_l.connection_at and v_state = v_l.connection then
    return 'unchanged';
  end if;

  v_answer := case
    when v_state = 'banned' or (v_state = 'disconnected' and v_l.status = 'active') then 'blocked'
    when v_state = 'connected' and v_l.status = 'blocked' and v_l.resumes_on_connect then 'resumed'
    else 'unchanged'
  end;
  update drip_core.lanes as l
  set
    connection = v_state,
    connection_at = v_at,
    status = case v_answer when 'blocked' then 'blocked' when 'resumed' then 'active' else l.status end,
    reason = case v_answer when 'blocked' then 'sender_blocked'::drip.reason when 'resumed' then null else l.reason end,
    detail = case v_answer when 'blocked' then left(concat_ws(': ', v_state, v_new ->> 'detail'), 500) when 'resumed' then null else l.detail end,
    status_changed_at = case when v_answer = 'unchanged' or (v_answer = 'blocked' and l.status = 'blocked') then l.status_changed_at else v_now end,
    resumes_on_connect = case v_answer when 'blocked' then v_state = 'disconnected' when 'resumed' then false else l.resumes_on_connect end,
    -- no burst after an outage
    next_slot_at = case v_answer
      when 'resumed' then greatest(l.next_slot_at, v_now + v_l.min_gap + random() * (v_l.max_gap - v_l.min_gap)) else l.next_slot_at
    end,
    slot_reason = case when v_answer = 'resumed' and v_l.min_gap is not null then 'pacing' else l.slot_reason end,
    ready_at = case v_answer when 'resumed' then '-infinity' else l.ready_at end
  where l.organization_id = v_org and l.channel_account_id = v_l.id;
  return v_answer;
end;
$$;

revoke all on function drip.record_connection(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_connection(bigint, text, jsonb) to drip_runner;
comment on function drip.record_connection(bigint, text, jsonb) is
'Records what a gateway says of a sender''s session {state: connected, disconnected or banned, occurred_at, detail} and steers its lane; returns blocked, resumed, unchanged or stale. Errors: PT403, PT404, PT422.';
