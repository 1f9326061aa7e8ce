-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_hash_address.sql, functions/internal/_withdraw_consent.sql
-- Unsubscribes whom a message was sent to from its channel, in one transaction: consent ledger, suppression of the address it
-- went to and of the contact's own, every open enrollment of that person that uses the channel, one event each. The event
-- of the enrollment that the message belongs to names its step. A link works for ever: also when the message was purged,
-- when the enrollment has ended, and again after a re-consent. What was in flight at that moment is counted.
-- A token that names nothing is answered like one whose contact had unsubscribed before.
-- Locks: the contact, its open enrollments in id order, then suppressions. Errors: none. A repeat changes nothing.
create or replace function drip.unsubscribe(token text, source text default 'link')
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_source constant text := coalesce(nullif(left(btrim(unsubscribe.source), 100), ''), 'link');
  v_named record;
  v_message record;
  v_cause jsonb;
  v_done record;
begin
  select t.organization_id, t.enrollment_id, t.step_id into v_named from drip_core._read_token(unsubscribe.token, 'link') as t;
  select
    e.contact_id, e.sequence_id, e.version, s.channel, c.erased_at,
    coalesce(m.channel_account_id, h.channel_account_id, e.channel_account_id) as channel_account_id,
    array[
      case s.channel when 'email' then c.email_hash else c.phone_hash end,
      drip_core._hash_address(s.channel, coalesce(
        m.merge_values ->> 'to', h.merge_values ->> 'to', case when e.step_id = s.id then e.merge_values ->> 'to' end))
    ] as hashes,
    jsonb_build_object(
      'source', v_source, 'sequence_key', q.key, 'step_key', s.key, 'enrollment_id', e.id, 'step_id', s.id) as cause
  into v_message
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_named.organization_id and s.id = v_named.step_id
  join drip_core.sequences as q on q.organization_id = v_named.organization_id and q.id = e.sequence_id
  join drip_core.contacts as c on c.organization_id = v_named.organization_id and c.id = e.contact_id
  left join drip_core.messages as m
    on m.organization_id = v_named.organization_id and m.enrollment_id = e.id and m.step_id = s.id
  left join drip_core.held_messages as h
    on h.organization_id = v_named.organization_id and h.enrollment_id = e.id and h.step_id = s.id
  where e.organization_id = v_named.organization_id and e.id = v_named.enrollment_id;
  if not found or v_message.erased_at is not null then
    return jsonb_build_object('status', 'unsubscribed', 'ended', 0, 'in_flight', 0);
  end if;

  v_cause := v_message.cause;
  select w.ended_ids, w.in_flight
  into v_done
  from drip_core._withdraw_consent(
    v_named.organization_id, v_message.channel, array[v_message.contact_id], v_message.hashes, 'unsubscribed', null, v_source,
    jsonb_build_object('enrollment_id', v_named.enrollment_id, 'step_id', v_named.step_id), v_cause, v_named.enrollment_id,
    v_named.step_id) as w;

  -- an enrollment that had ended, or is of another channel by now, has its event all the same: once
  if not v_named.enrollment_id = any (v_done.ended_ids) and not exists (
    select from drip_core.events as v
    where v.organization_id = v_named.organization_id and v.enrollment_id = v_named.enrollment_id and v.type = 'unsubscribed'
  ) then
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, data
    )
    values (
      v_named.organization_id, v_now, v_now, 'unsubscribed', 'unsubscribed', v_named.enrollment_id, v_message.contact_id,
      v_message.sequence_id, v_message.version, v_named.step_id, v_message.channel, v_message.channel_account_id, v_cause
    );
  end if;
  return jsonb_build_object('status', 'unsubscribed', 'ended', cardinality(v_done.ended_ids), 'in_flight', v_done.in_flight);
end;
$$;

revoke all on function drip.unsubscribe(text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.unsubscribe(text, text) to drip_app, drip_runner, drip_public;
comment on function drip.unsubscribe(text, text) is
'Unsubscribes the contact a link token belongs to from the channel of its message; source: link, one_click, mailto, stop_word … Returns {status: "unsubscribed", ended: enrollments ended now, in_flight: messages that were with a runner and may still arrive}; a token that names nothing is answered with zeros. Errors: none.';
