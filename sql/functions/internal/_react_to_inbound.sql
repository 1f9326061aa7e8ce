-- owner: drip_engine
-- requires: functions/internal/_blank_inbound.sql, functions/internal/_is_erased_address.sql, functions/internal/_names_erased.sql, functions/internal/_classify_inbound.sql, functions/internal/_find_answered.sql, functions/internal/_lock_person.sql, functions/internal/_settle_by_fact.sql, functions/internal/_change_status.sql, functions/internal/_unsubscribe_message.sql, functions/internal/_withdraw_consent.sql, functions/internal/_return_date.sql, functions/internal/_read_token.sql, functions/internal/_sendable_from.sql, functions/internal/_sending_windows.sql, functions/internal/_known_timezone.sql
-- What a campaign makes of an inbound message that has landed: whose and which message it answers; a person's answer has its
-- event and does what on_reply says, an absence note makes the enrollment wait, a stop word or a mail to the unsubscribe
-- address unsubscribes; on WhatsApp it opens the session that free texts wait for. A reply acts on the enrollment that it answers, or on the one of the same contact that is open in
-- the same sequence now. What machines of other kinds write is kept and does nothing.
-- Locks: the message, contacts, their open enrollments, lanes (of a held message), suppressions. Waits half a second at most.
-- Errors: whatever goes wrong; the caller keeps the message all the same. A repeat changes nothing.
create or replace function drip_core._react_to_inbound(organization_id bigint, inbound_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
  v_org constant bigint := _react_to_inbound.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_in drip_core.inbound_messages;
  v_named record;
  v_found record;
  v_row record;
  v_target record;
  v_source text := 'stop_word';
  v_channel drip.channel;
  v_event drip.event_type;
  v_cause jsonb;
begin
  select i.* into v_in
  from drip_core.inbound_messages as i
  where i.organization_id = v_org and i.id = _react_to_inbound.inbound_id and i.state in ('pending', 'parked')
  for no key update;
  if not found then
    return;
  end if;
  v_in.class := coalesce(v_in.class, drip_core._classify_inbound(v_in.channel, v_in.from_address, v_in.subject, v_in.text_body, v_in.headers));

  -- a link token names the message in a mail to the unsubscribe address, in its subject or behind a plus
  select t.enrollment_id, t.step_id
  into v_named
  from regexp_matches(lower(concat_ws(' ', v_in.subject, v_in.to_address)), '[0-9a-f]{66}', 'g') as m (parts)
  cross join lateral drip_core._read_token(m.parts[1], 'link') as t
  where v_in.channel = 'email' and t.organization_id = v_org
  limit 1;
  -- written by a mail program for a person counts; an answer to anything, as an absence note is, does not
  if v_named.enrollment_id is not null and (
    v_in.class in ('human', 'unsubscribe_request', 'list')
    or (v_in.class = 'auto_reply' and lower(btrim(v_in.headers ->> 'auto-submitted')) = 'auto-generated'
      and v_in.subject ~* '^\s*unsubscribe [0-9a-f]{66}\s*$')
  ) then
    v_in.class := 'unsubscribe_request';
    v_source := 'mailto';
    select e.id as enrollment_id, v_named.step_id as step_id, e.contact_id, 'token'::text as attributed_by
    into v_found
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = v_named.enrollment_id;
  else
    select f.enrollment_id, f.step_id, f.contact_id, f.attributed_by
    into v_found
    from drip_core._find_answered(
      v_org, v_in.channel, v_in.headers ->> 'in-reply-to',
      v_in.in_reply_to || array(select m.parts[1] from regexp_matches(v_in.headers ->> 'references', '<[^<>[:space:]]+>', 'g') as m (parts)),
      v_in.to_address, v_in.from_hash, v_in.received_at) as f;
  end if;

  select
    e.id, e.contact_id, e.sequence_id, e.version, e.enrolled_at, s.channel, q.key as sequence_key, s.key as step_key, c.erased_at,
    coalesce(m.channel_account_id, h.channel_account_id, e.channel_account_id) as channel_account_id
  into v_row
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = v_found.step_id
  join drip_core.sequences as q on q.organization_id = v_org and q.id = e.sequence_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  left join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = e.id and m.step_id = s.id
  left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id and h.step_id = s.id
  where e.organization_id = v_org and e.id = v_found.enrollment_id;

  perform drip_core._lock_person(
    v_org, v_in.channel, array[v_found.contact_id], case when v_in.class = 'unsubscribe_request' then array[v_in.from_hash] end,
    v_row.id);
  if v_row.id is not null and v_in.class in ('human', 'auto_reply', 'out_of_office', 'unsubscribe_request') then
    -- whoever answers has got it
    perform drip_core._settle_by_fact(v_org, v_row.id, v_found.step_id);
  end if;
  v_cause := jsonb_strip_nulls(jsonb_build_object(
    'source', 'inbound', 'inbound_id', v_in.id, 'sequence_key', v_row.sequence_key, 'step_key', v_row.step_key,
    'enrollment_id', v_row.id, 'step_id', v_found.step_id));

  -- the enrollment that the answer concerns: the one answered, or where that has ended the one open in its sequence
  select e.id, e.status, e.claim_token, e.next_step_at, e.sequence_id, e.channel_account_id, v.on_reply, s.version as step_version, s.channel as step_channel
  into v_target
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
  join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
  where e.organization_id = v_org and e.contact_id = v_row.contact_id and e.sequence_id = v_row.sequence_id and e.status in ('active', 'paused');

  if v_in.class = 'out_of_office' and v_target.claim_token is not null and v_in.recorded_at > v_now - interval '72 hours' then
    -- what is in flight is planned when it is settled: the note waits for that
    update drip_core.inbound_messages as i
    set class = v_in.class, state = 'parked', contact_id = v_found.contact_id, next_try_at = v_now + interval '5 seconds'
    where i.organization_id = v_org and i.id = v_in.id;
    return;
  end if;

  v_event := case
    when v_in.class in ('human', 'unsubscribe_request') and v_source <> 'mailto' then 'replied'
    when v_in.class in ('auto_reply', 'out_of_office') then 'auto_replied'
  end::drip.event_type;
  if v_event is not null and v_row.id is not null then
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, data
    )
    values (
      v_org, greatest(least(v_in.received_at, v_now), v_row.enrolled_at), v_now, v_event, v_event::text::drip.reason, v_row.id, v_row.contact_id,
      v_row.sequence_id, v_row.version, v_found.step_id, v_row.channel, v_row.channel_account_id,
      jsonb_build_object('inbound_id', v_in.id, 'attributed_by', v_found.attributed_by, 'is_inferred', v_found.attributed_by = 'address')
    );
  end if;

  if v_in.class = 'unsubscribe_request' then
    if v_row.id is not null then
      perform drip_core._unsubscribe_message(
        v_org, v_row.id, v_found.step_id, v_source, array[v_in.from_hash], jsonb_build_object('inbound_id', v_in.id));
    end if;
    -- who says stop on a phone means the phone, whichever way we reach it
    foreach v_channel in array case
      when v_in.channel <> 'email' then array['whatsapp_cloud', 'whatsapp_lite']::drip.channel[]
      when v_row.id is null then array['email']::drip.channel[]
      else '{}'
    end loop
      perform drip_core._withdraw_consent(
        v_org, v_channel, array_remove(array[v_found.contact_id], null), array[v_in.from_hash], 'unsubscribed', null, v_source,
        jsonb_build_object('inbound_id', v_in.id), v_cause, v_row.id, v_found.step_id);
    end loop;
  elsif v_in.class = 'human' and v_target.on_reply <> 'continue' then
    perform drip_core._change_status(
      v_org, array[v_target.id], case v_target.on_reply when 'exit' then 'exited' else 'paused' end::drip.enrollment_status, 'replied', v_cause);
  elsif v_in.class in ('auto_reply', 'out_of_office') and v_target.claim_token is null then
    -- nine in the morning of the day named; three days where none is
    update drip_core.enrollments as e
    set next_step_at = u.wait_until, planned_from = u.wait_until, is_after_delay = false, wait_reason = 'auto_replied'
    from (
      select drip_core._sendable_from(
        case
          when d.day is not null then (d.day + time '09:00') at time zone coalesce(drip_core._known_timezone(c.timezone), o.timezone)
          when v_in.class = 'out_of_office' then v_in.received_at + interval '72 hours'
        end,
        coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone), w.weekdays, w.starts, w.ends, w.holidays) as wait_until
      from drip_core.contacts as c
      join drip_core.organizations as o on o.id = v_org
      join drip_core._sending_windows(v_org, v_target.step_channel) as w on w.sequence_id = v_target.sequence_id and w.version = v_target.step_version
      cross join lateral (
        select drip_core._return_date(
          concat_ws(e'\n', v_in.subject, v_in.text_body),
          (v_in.received_at at time zone coalesce(drip_core._known_timezone(c.timezone), o.timezone))::date) as day
        where v_in.class = 'out_of_office'
      ) as d
      where c.organization_id = v_org and c.id = v_row.contact_id
    ) as u
    where e.organization_id = v_org and e.id = v_target.id and e.next_step_at < u.wait_until;
  end if;

  if v_in.channel = 'whatsapp_cloud' then
    -- the session is open: free texts that waited for it go out
    with woken as (
      update drip_core.enrollments as e
      set next_step_at = v_now
      where e.organization_id = v_org and e.contact_id = v_found.contact_id and e.status in ('active', 'paused')
        and e.wait_reason = 'session_closed' and e.claim_token is null and e.next_step_at > v_now
      returning e.channel_account_id, e.sequence_id
    )

    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select distinct v_org, w.channel_account_id, w.sequence_id, v_now
    from woken as w;
  end if;

  update drip_core.inbound_messages as i
  set
    class = v_in.class,
    next_try_at = null,
    state = case
      when v_in.class in ('delivery_report', 'complaint', 'list') then 'ignored'
      when v_row.id is null and v_in.class <> 'unsubscribe_request' then 'unmatched'
      else 'applied'
    end::drip.fact_state,
    contact_id = v_found.contact_id,
    enrollment_id = v_row.id,
    step_id = case when v_row.id is not null then v_found.step_id end,
    attributed_by = case when v_row.id is not null then v_found.attributed_by end
  where i.organization_id = v_org and i.id = v_in.id;
  -- of an erased person nothing is written down again
  if v_row.erased_at is not null or drip_core._is_erased_address(v_org, v_in.from_hash)
    or (v_in.class in ('delivery_report', 'complaint') and drip_core._names_erased(v_org, v_in::text))
  then
    perform drip_core._blank_inbound(v_org, array[v_in.id]);
  end if;
end;
$$;

revoke all on function drip_core._react_to_inbound(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._react_to_inbound(bigint, bigint) is 'What a campaign makes of an inbound message that has landed.';
