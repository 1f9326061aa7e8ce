-- owner: drip_engine
-- requires: functions/internal/_hash_address.sql, functions/internal/_withdraw_consent.sql
-- Unsubscribes whom a message was sent to from its channel; see drip.unsubscribe. Addresses that the person also wrote from
-- are suppressed with it. Counts what ended and what was in flight; zeros where there is nothing to unsubscribe.
-- Locks: the contact, its open enrollments in id order, then suppressions. Errors: none. A repeat changes nothing.
create or replace function drip_core._unsubscribe_message(
  organization_id bigint, enrollment_id bigint, step_id bigint, source text, more_hashes bytea[], evidence jsonb, out ended int, out in_flight int
)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _unsubscribe_message.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_message record;
  v_done record;
begin
  ended := 0;
  in_flight := 0;
  select
    e.contact_id, e.sequence_id, e.version, s.channel, c.erased_at,
    coalesce(m.channel_account_id, h.channel_account_id, e.channel_account_id) as channel_account_id,
    array[
      case s.channel when 'email' then c.email_hash else c.phone_hash end,
      drip_core._hash_address(s.channel, coalesce(
        m.merge_values ->> 'to', h.merge_values ->> 'to', case when e.step_id = s.id then e.merge_values ->> 'to' end))
    ] as hashes,
    jsonb_build_object(
      'source', _unsubscribe_message.source, 'sequence_key', q.key, 'step_key', s.key, 'enrollment_id', e.id, 'step_id', s.id) as cause
  into v_message
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = _unsubscribe_message.step_id
  join drip_core.sequences as q on q.organization_id = v_org and q.id = e.sequence_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  left join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id and m.step_id = s.id
  left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id and h.step_id = s.id
  where e.organization_id = v_org and e.id = _unsubscribe_message.enrollment_id;
  if not found or v_message.erased_at is not null then
    return;
  end if;

  select w.ended_ids, w.in_flight
  into v_done
  from drip_core._withdraw_consent(
    v_org, v_message.channel, array[v_message.contact_id], v_message.hashes || _unsubscribe_message.more_hashes, 'unsubscribed', null,
    _unsubscribe_message.source,
    jsonb_build_object('enrollment_id', _unsubscribe_message.enrollment_id, 'step_id', _unsubscribe_message.step_id)
      || coalesce(_unsubscribe_message.evidence, '{}'),
    v_message.cause, _unsubscribe_message.enrollment_id, _unsubscribe_message.step_id) as w;
  ended := cardinality(v_done.ended_ids);
  in_flight := v_done.in_flight;

  -- an enrollment that had ended, or is of another channel by now, has its event all the same: once
  if not _unsubscribe_message.enrollment_id = any (v_done.ended_ids) and not exists (
    select from drip_core.events as v
    where v.organization_id = v_org and v.enrollment_id = _unsubscribe_message.enrollment_id and v.type = 'unsubscribed'
      -- that a complaint ended it is another fact
      and v.reason is distinct from 'complained'
  ) then
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, data
    )
    values (
      v_org, v_now, v_now, 'unsubscribed', 'unsubscribed', _unsubscribe_message.enrollment_id, v_message.contact_id,
      v_message.sequence_id, v_message.version, _unsubscribe_message.step_id, v_message.channel, v_message.channel_account_id, v_message.cause
    );
  end if;
end;
$$;

revoke all on function drip_core._unsubscribe_message(bigint, bigint, bigint, text, bytea[], jsonb) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._unsubscribe_message(bigint, bigint, bigint, text, bytea[], jsonb) is
'Unsubscribes whom a message was sent to from its channel; how many enrollments ended, how many had a message in flight.';
