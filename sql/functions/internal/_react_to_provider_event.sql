-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_blind_id.sql, functions/internal/_lock_person.sql, functions/internal/_settle_by_fact.sql, functions/internal/_withdraw_consent.sql, functions/internal/_unsubscribe_message.sql, functions/internal/_hash_address.sql, functions/internal/_is_machine_agent.sql, functions/internal/_soft_bounces_last.sql, functions/internal/_note_aliases.sql, functions/internal/_names_erased.sql
-- What a campaign makes of a provider's report that has landed: finds its message (by our token, else by the provider's id),
-- writes the event, and does what follows. An early one (its message is in flight, or not known yet) is parked for
-- drip.tick, three days at most; one that names no message stays visible. A held message is settled: it was sent.
--   bounced, failed   for good: the address it was sent to is suppressed, who has it now ends; soft: counted, for good when
--                     it lasts; for policy, content or the sender: nothing happens to the contact, it counts against the sender
--                     a stop that the provider knows of (opted_out): suppressed, what is open ends
--   complained        suppressed like an unsubscribe; unsubscribed: the same as the link
-- Locks: the report, contacts, their open enrollments, lanes (of a held message), suppressions. Waits half a second at most.
-- Errors: whatever goes wrong; the caller keeps the report all the same. A repeat changes nothing.
create or replace function drip_core._react_to_provider_event(organization_id bigint, event_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _react_to_provider_event.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_pe drip_core.provider_events;
  v_named record;
  v_row record;
  v_at timestamptz;
  v_type drip.event_type;
  v_state drip.fact_state := 'applied'::drip.fact_state;
  v_hashes bytea[];
  v_is_erased boolean;
  v_cause jsonb;
begin
  select p.* into v_pe
  from drip_core.provider_events as p
  where p.organization_id = v_org and p.id = _react_to_provider_event.event_id and p.state in ('pending', 'parked')
  for no key update;
  if not found then
    return;
  end if;

  if v_pe.enrollment_id is not null then
    select v_pe.enrollment_id as enrollment_id, v_pe.step_id as step_id into v_named;
  else
    select t.enrollment_id, t.step_id
    into v_named
    from drip_core._read_token(v_pe.message_token, 'message') as t
    where t.organization_id = v_org;
  end if;
  if v_named.enrollment_id is null and v_pe.provider_message_id is not null then
    select m.enrollment_id, m.step_id
    into v_named
    from drip_core.messages as m
    where m.organization_id = v_org and m.provider_message_id in (
      v_pe.provider_message_id, '<' || btrim(v_pe.provider_message_id, '<>') || '>', btrim(v_pe.provider_message_id, '<>'),
      drip_core._blind_id(v_pe.provider_message_id), drip_core._blind_id('<' || btrim(v_pe.provider_message_id, '<>') || '>'),
      drip_core._blind_id(btrim(v_pe.provider_message_id, '<>'))
    )
    order by m.settled_at desc
    limit 1;
  end if;

  select
    e.id, e.contact_id, e.sequence_id, e.version, e.enrolled_at, s.id as step_id, s.channel, q.key as sequence_key, s.key as step_key, c.erased_at,
    m.status, coalesce(m.channel_account_id, h.channel_account_id, e.channel_account_id) as channel_account_id,
    h.enrollment_id is not null as is_held,
    coalesce(m.merge_values, h.merge_values) ->> 'to' as address
  into v_row
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = v_named.step_id
  join drip_core.sequences as q on q.organization_id = v_org and q.id = e.sequence_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  left join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id and m.step_id = s.id
  left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id and h.step_id = s.id
  where e.organization_id = v_org and e.id = v_named.enrollment_id;

  if v_row.id is null and exists (
    select from drip_core.test_messages as t
    where t.organization_id = v_org and (t.id = v_named.enrollment_id or t.provider_message_id in (
      v_pe.provider_message_id, '<' || btrim(v_pe.provider_message_id, '<>') || '>', btrim(v_pe.provider_message_id, '<>')))
  ) then
    -- of a test: it counts nowhere
    update drip_core.provider_events as p
    set state = 'ignored', next_try_at = null
    where p.organization_id = v_org and p.id = v_pe.id;
    return;
  end if;

  if v_row.status is null and not coalesce(v_row.is_held, false) then
    -- nothing that was sent: a token that was never made, or too early
    v_is_erased := v_row.erased_at is not null or drip_core._names_erased(
      v_org, concat_ws(' ', v_pe.provider_message_id, v_pe.dedupe_key, v_pe.message_token, v_pe.detail::text));
    update drip_core.provider_events as p
    set
      provider_message_id = case
        when v_is_erased and p.dedupe_key not like 'erased:%' then drip_core._blind_id(p.provider_message_id) else p.provider_message_id
      end,
      dedupe_key = case
        when not v_is_erased or p.dedupe_key like 'erased:%' then p.dedupe_key
        else 'erased:' || encode(sha256(convert_to(p.dedupe_key, 'UTF8')), 'hex')
      end,
      message_token = case when not v_is_erased or v_row.id is not null then p.message_token end,
      detail = case when v_is_erased then '{}' else p.detail end,
      state = case
        when v_row.id is null and v_pe.message_token is not null and v_pe.provider_message_id is null then 'unmatched'
        when v_pe.recorded_at < v_now - interval '72 hours' then 'unmatched'
        else 'parked'
      end::drip.fact_state,
      enrollment_id = v_row.id,
      step_id = v_row.step_id,
      contact_id = v_row.contact_id,
      next_try_at = v_now + least(greatest((v_now - v_pe.recorded_at) / 2, interval '5 seconds'), interval '1 hour')
    where p.organization_id = v_org and p.id = v_pe.id;
    return;
  end if;

  v_hashes := array[drip_core._hash_address(v_row.channel, coalesce(v_row.address, v_pe.detail ->> 'recipient'))];
  if v_pe.type in ('bounced', 'failed', 'complained', 'unsubscribed') or v_row.is_held then
    perform drip_core._lock_person(
      v_org, v_row.channel, array[v_row.contact_id], case when v_pe.type in ('bounced', 'failed', 'complained', 'unsubscribed') then v_hashes end, v_row.id);
  end if;
  if v_row.channel = 'whatsapp_cloud' and v_row.address is not null then
    perform drip_core._note_aliases(
      v_org, v_row.channel, v_hashes[1], array[v_pe.detail ->> 'recipient', v_pe.detail ->> 'recipient_user_id']);
  end if;
  if drip_core._settle_by_fact(v_org, v_row.id, v_row.step_id) then
    v_row.status := 'sent';
  end if;
  v_at := greatest(least(v_pe.occurred_at, v_now), v_row.enrolled_at);
  v_type := case v_pe.type
    when 'failed' then 'bounced'
    when 'delivered' then 'delivered' when 'opened' then 'opened' when 'clicked' then 'clicked'
    when 'bounced' then 'bounced' when 'complained' then 'complained'
  end::drip.event_type;
  if v_row.status = 'failed' and v_type not in ('complained') then
    -- it was never accepted: whatever this is about, no count may rest on it
    v_state := 'ignored'::drip.fact_state;
  elsif v_type is not null and not (v_type in ('delivered', 'complained') and exists (
    -- said before in another report
    select from drip_core.events as v
    where v.organization_id = v_org and v.enrollment_id = v_row.id and v.step_id = v_row.step_id and v.type = v_type and not v.is_test
  )) then
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, is_machine, data
    )
    values (
      v_org, v_at, v_now, v_type, case when v_type = 'bounced' then v_pe.reason when v_type = 'complained' then 'complained' end,
      v_row.id, v_row.contact_id, v_row.sequence_id, v_row.version, v_row.step_id, v_row.channel, v_row.channel_account_id,
      case when v_type in ('opened', 'clicked') then coalesce(
        v_pe.detail -> 'is_machine' = 'true',
        v_pe.detail ? 'user_agent' and drip_core._is_machine_agent(v_pe.detail ->> 'user_agent')) end,
      jsonb_strip_nulls(jsonb_build_object(
        'source', 'provider', 'provider_event_id', v_pe.id,
        'status', case when v_row.erased_at is null then left(v_pe.detail ->> 'status', 20) end,
        'url', case when v_type = 'clicked' and v_row.erased_at is null then left(v_pe.detail ->> 'url', 2000) end))
    );
  end if;

  update drip_core.provider_events as p
  set
    state = v_state,
    enrollment_id = v_row.id,
    step_id = v_row.step_id,
    contact_id = v_row.contact_id,
    channel_account_id = v_row.channel_account_id,
    needs_guard = v_state = 'applied' and (v_pe.type = 'complained' or (v_pe.type in ('bounced', 'failed') and v_pe.reason not in (
      'soft_bounced', 'throttled', 'session_closed', 'template_unavailable', 'opted_out'))),
    next_try_at = null,
    -- of an erased person nothing is written down again
    provider_message_id = case
      when v_row.erased_at is null or p.dedupe_key like 'erased:%' then p.provider_message_id else drip_core._blind_id(p.provider_message_id)
    end,
    dedupe_key = case
      when v_row.erased_at is null or p.dedupe_key like 'erased:%' then p.dedupe_key
      else 'erased:' || encode(sha256(convert_to(p.dedupe_key, 'UTF8')), 'hex')
    end,
    detail = case when v_row.erased_at is null then p.detail else '{}' end
  where p.organization_id = v_org and p.id = v_pe.id;

  v_cause := jsonb_build_object(
    'source', 'provider', 'sequence_key', v_row.sequence_key, 'step_key', v_row.step_key, 'enrollment_id', v_row.id, 'step_id', v_row.step_id);
  if v_state = 'applied' and v_type = 'bounced' and (
    v_pe.reason in ('bounced', 'invalid_address')
    or (v_pe.reason = 'soft_bounced' and drip_core._soft_bounces_last(v_org, v_row.contact_id, v_now))
  ) then
    -- the address it was sent to: the contact may have another one by now
    perform drip_core._withdraw_consent(
      v_org, v_row.channel, '{}', v_hashes, case when v_pe.reason = 'soft_bounced' then 'bounced' else v_pe.reason end, null, 'provider',
      jsonb_build_object('provider_event_id', v_pe.id, 'enrollment_id', v_row.id, 'step_id', v_row.step_id), v_cause, v_row.id, v_row.step_id);
  elsif v_pe.type = 'complained' and v_row.erased_at is null then
    perform drip_core._withdraw_consent(
      v_org, v_row.channel, array[v_row.contact_id], v_hashes || (
        select case v_row.channel when 'email' then c.email_hash else c.phone_hash end
        from drip_core.contacts as c where c.organization_id = v_org and c.id = v_row.contact_id
      ), 'complained', null, 'provider',
      jsonb_build_object('provider_event_id', v_pe.id, 'enrollment_id', v_row.id, 'step_id', v_row.step_id), v_cause, v_row.id, v_row.step_id);
  elsif v_state = 'applied' and v_type = 'bounced' and v_pe.reason = 'opted_out' then
    perform drip_core._withdraw_consent(
      v_org, v_row.channel, array[v_row.contact_id], v_hashes, 'opted_out', null, 'provider',
      jsonb_build_object('provider_event_id', v_pe.id, 'enrollment_id', v_row.id, 'step_id', v_row.step_id), v_cause, v_row.id, v_row.step_id);
  elsif v_pe.type = 'unsubscribed' then
    perform drip_core._unsubscribe_message(
      v_org, v_row.id, v_row.step_id, 'provider', '{}', jsonb_build_object('provider_event_id', v_pe.id));
  end if;
end;
$$;

revoke all on function drip_core._react_to_provider_event(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._react_to_provider_event(bigint, bigint) is 'What a campaign makes of a provider''s report that has landed.';
