-- owner: drip_engine
-- requires: functions/internal/_settle_by_fact.sql, functions/internal/_judge_hits.sql, functions/internal/_is_machine_agent.sql
-- Records an open or a click of a message as a raw hit with its event, and judges the hits of the message. At most 200 of a
-- message are kept: who has the token cannot fill the disk. A held message is settled, one in flight proven to be sent.
-- Locks: the enrollment and its lane (of a held message), the hits. Waits half a second at most.
-- Errors: whatever goes wrong; the caller answers all the same. Each call is a hit.
create or replace function drip_core._record_hit(
  organization_id bigint, enrollment_id bigint, step_id bigint, type drip.event_type, link_no int, user_agent text, ip inet
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _record_hit.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_row record;
  v_agent text := left(_record_hit.user_agent, 500);
  v_ip inet := _record_hit.ip;
  v_is_machine boolean;
  v_event_id bigint;
  v_event_at timestamptz;
begin
  select
    e.id, e.contact_id, e.sequence_id, e.version, s.channel, c.erased_at, m.status, h.enrollment_id is not null as is_held,
    coalesce(m.channel_account_id, h.channel_account_id, e.channel_account_id) as channel_account_id,
    e.step_id = s.id and e.lease_expires_at is not null as is_in_flight
  into v_row
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = _record_hit.step_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  left join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id and m.step_id = s.id
  left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id and h.step_id = s.id
  where e.organization_id = v_org and e.id = _record_hit.enrollment_id;
  if not found or v_row.status = 'failed' or (
    select count(*) from drip_core.tracking_hits as h
    where h.organization_id = v_org and h.enrollment_id = v_row.id and h.step_id = _record_hit.step_id
  ) >= 200 then
    return;
  end if;
  if v_row.erased_at is not null then
    -- judged, and then forgotten: nothing of an erased person is written down again
    v_is_machine := drip_core._is_machine_agent(v_agent);
    v_agent := null;
    v_ip := null;
  end if;
  if v_row.is_held then
    perform drip_core._settle_by_fact(v_org, v_row.id, _record_hit.step_id);
  elsif v_row.status is null then
    -- what is opened was sent: drip.tick settles it, should its runner never say so
    insert into drip_core.provider_events (
      organization_id, dedupe_key, type, state, occurred_at, recorded_at, enrollment_id, step_id, contact_id, next_try_at
    )
    values (
      v_org, format('hit:%s:%s', v_row.id, _record_hit.step_id), 'sent', 'parked', v_now, v_now, v_row.id, _record_hit.step_id,
      v_row.contact_id, v_now + interval '5 seconds'
    )
    on conflict on constraint a_provider_event_lands_once do nothing;
  end if;

  insert into drip_core.events (
    organization_id, occurred_at, recorded_at, type, enrollment_id, contact_id, sequence_id, version, step_id, channel, channel_account_id,
    is_machine, data
  )
  values (
    v_org, v_now, v_now, _record_hit.type, v_row.id, v_row.contact_id, v_row.sequence_id, v_row.version, _record_hit.step_id, v_row.channel,
    v_row.channel_account_id, coalesce(v_is_machine, false),
    case when _record_hit.link_no is not null then jsonb_build_object('link_no', _record_hit.link_no) end
  )
  returning id, recorded_at into v_event_id, v_event_at;
  if v_row.erased_at is null then
    insert into drip_core.tracking_hits (
      organization_id, enrollment_id, step_id, type, link_no, occurred_at, user_agent, ip, is_machine, event_id, event_recorded_at
    )
    values (
      v_org, v_row.id, _record_hit.step_id, _record_hit.type, _record_hit.link_no, v_now, v_agent, v_ip, false, v_event_id, v_event_at
    );
    perform drip_core._judge_hits(v_org, v_row.id, _record_hit.step_id);
  end if;
end;
$$;

revoke all on function drip_core._record_hit(bigint, bigint, bigint, drip.event_type, int, text, inet) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._record_hit(bigint, bigint, bigint, drip.event_type, int, text, inet) is 'Records an open or a click of a message with its event, and judges it.';
