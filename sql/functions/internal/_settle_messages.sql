-- owner: drip_engine
-- requires: functions/internal/_plan_step.sql, functions/internal/_sending_windows.sql, functions/internal/_hash_address.sql, functions/internal/_blind_id.sql, functions/internal/_is_unreachable.sql
-- Settles results of one organization; see drip.advance. What becomes of each is decided once, in one select, and written by
-- the same statement: message, event, enrollment. A paused enrollment moves on but stays paused; an ended one keeps status
-- and step; both settle message, event and capacity all the same.
-- What the recipient does not want, or what does not reach it for good, is suppressed: what else would write to it ends at its
-- claim. A template that the provider refuses is left alone for an hour.
-- Locks: the enrollments in id order, then their lanes in id order, then suppressions and templates. Errors: none. A repeat answers stale.
create or replace function drip_core._settle_messages(organization_id bigint, results drip_core.provider_result[])
returns drip_core.disposition[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _settle_messages.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_firsts drip_core.provider_result[];
  v_locked bigint[];
  v_tokens bigint[];
  v_valid drip_core.provider_result[];
  v_step_ids bigint[];
  v_steps drip_core.settled_step[];
  v_zone text;
  v_random constant double precision := random();
  v_lane_ids bigint[];
  v_lane_days date[];
  v_lane_holds boolean[];
  v_rows drip_core.settlement[];
  v_lanes drip_core.lane_settlement[];
  v_answers drip_core.disposition[];
begin
  -- of duplicates the first counts; a stale result is no duplicate of a valid one
  v_firsts := array(
    select distinct on (r.enrollment_id, r.claim_token) r
    from unnest(_settle_messages.results) as r
    order by r.enrollment_id, r.claim_token, r.ordinal
  );
  select array_agg(x.id), array_agg(x.claim_token), array_agg(x.channel_account_id), array_agg(x.step_id)
  into v_locked, v_tokens, v_lane_ids, v_step_ids
  from (
    select e.id, e.claim_token, e.channel_account_id, e.step_id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (array(select r.enrollment_id from unnest(v_firsts) as r))
    order by e.id
    for no key update
  ) as x;
  -- whose token is that of the row, which is held from here on; the rest is stale
  v_valid := array(
    select r
    from unnest(v_firsts) as r
    join unnest(v_locked, v_tokens) as l (id, token) on l.id = r.enrollment_id and l.token = r.claim_token
  );
  select o.timezone into v_zone from drip_core.organizations as o where o.id = v_org;

  -- the lanes: a new local day first, so that what is settled now counts for today
  select array_agg(x.id), array_agg(x.day), array_agg(x.is_holding)
  into v_lane_ids, v_lane_days, v_lane_holds
  from (
    select
      l.channel_account_id as id,
      greatest(l.counter_day, (v_now at time zone coalesce(a.timezone, v_zone))::date) as day,
      a.on_unknown = 'hold' as is_holding
    from drip_core.lanes as l
    join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = l.channel_account_id
    where l.organization_id = v_org and l.channel_account_id = any (v_lane_ids)
    order by l.channel_account_id
    for no key update of l
  ) as x;

  -- what the messages of a step have in common, read once for all of them; joined from an array, as everything that a
  -- message shares with others: by a hash, not by a lookup per message
  v_steps := array(
    select row(
      s.id, s.channel, v.retry_backoff, w.timezone, w.weekdays, w.starts, w.ends, w.holidays,
      n.id, n.channel_no, n.delay_elapsed, n.delay_days, n.delay_business_days, n.delay_at,
      nw.timezone, nw.weekdays, nw.starts, nw.ends, nw.holidays
    )::drip_core.settled_step
    from drip_core.steps as s
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
    join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
    left join drip_core.steps as n
      on n.organization_id = v_org and n.sequence_id = s.sequence_id and n.version = s.version and n.step_no = s.step_no + 1
    join drip_core._sending_windows(v_org, coalesce(n.channel, s.channel)) as nw on nw.sequence_id = s.sequence_id and nw.version = s.version
    where s.organization_id = v_org and s.id = any (v_step_ids)
  );

  with settled as materialized (
    select
      r.ordinal, e.id as enrollment_id, r.claim_token, r.outcome,
      -- of an erased person nothing is written down again
      case when d.is_erased then drip_core._blind_id(r.provider_message_id) else r.provider_message_id end as provider_message_id,
      greatest(least(coalesce(r.occurred_at, v_now), v_now), e.enrolled_at) as occurred_at,
      r.error_code, case when not d.is_erased then r.error_message end as error_message, r.retry_at, h.enrollment_id is not null as was_held,
      e.contact_id, e.sequence_id, e.version, s.id as step_id, s.channel, e.channel_account_id, k.day as lane_day,
      (e.attempt + 1)::smallint as attempts,
      coalesce(e.merge_values, h.merge_values) as merge_values,
      p.message_reason,
      d.verdict,
      d.is_open,
      case
        when not d.is_open then e.status
        when d.verdict = 'sent' and s.next_id is null then 'completed'
        when d.verdict = 'given_up' then mr.ends_as
        else e.status
      end as new_status,
      case
        when d.is_open and d.verdict = 'given_up' then p.message_reason
        when d.is_open and d.verdict = 'sent' and s.next_id is null then null
        else e.status_reason
      end as new_reason,
      case when d.is_open and d.verdict = 'sent' then s.next_id else e.step_id end as new_step_id,
      case when d.is_open and d.verdict = 'sent' then e.sender_ids[s.next_channel_no] else e.channel_account_id end as new_channel_account_id,
      case
        when not d.is_open or d.verdict in ('given_up', 'held') then null
        when d.verdict = 'waits' then greatest(
          v_now + interval '15 minutes', case when r.retry_at is not null then least(r.retry_at, v_now + interval '168 hours') end)
        when d.verdict in ('sent', 'retry') then case
          -- what most steps are: nothing to look up
          when cardinality(w.weekdays) = 0 and p.days = 0 and p.business_days = 0 and p.at is null then p.planned_from + p.elapsed
          else drip_core._plan_step(
            p.planned_from, p.elapsed, p.days, p.business_days, p.at,
            p.timezone, w.weekdays, w.starts, w.ends, w.holidays)
        end
        else coalesce(e.next_step_at, v_now)
      end as new_next_step_at,
      coalesce(p.planned_from, e.planned_from) as new_planned_from,
      case d.verdict when 'sent' then true when 'retry' then false else e.is_after_delay end as new_is_after_delay,
      case when d.verdict = 'sent' then 0 when d.verdict in ('retry', 'given_up') then e.attempt + 1 else e.attempt end::smallint as new_attempt,
      case when d.verdict = 'waits' then r.reason end as wait_reason,
      case
        when d.verdict = 'sent' then case when d.is_open and s.next_id is null then 'completed' else 'advanced' end
        when d.verdict = 'given_up' then case when mr.ends_as = 'bounced' then 'bounced' else 'failed' end
        when d.verdict = 'retry' then 'retry_scheduled'
        when d.verdict = 'waits' then 'deferred'
        else d.verdict
      end as disposition
    from unnest(v_valid) as r
    join drip_core.enrollments as e on e.organization_id = v_org and e.id = r.enrollment_id
    join unnest(v_steps) as s on s.id = e.step_id
    join unnest(v_lane_ids, v_lane_days, v_lane_holds) as k (id, day, is_holding) on k.id = e.channel_account_id
    left join drip_core.held_messages as h on h.organization_id = v_org and h.enrollment_id = e.id and h.claim_token = e.claim_token
    -- each offset 0: what is computed once here is not computed again, nor set up again, at each mention above
    cross join lateral (
      select
        e.status in ('active', 'paused') as is_open,
        not coalesce(e.merge_values, h.merge_values) ? 'to' as is_erased,
        case
          when r.outcome = 'sent' then 'sent'
          -- what the channel cannot reach is judged by the next claim: the step is skipped, or the enrollment ends
          when r.outcome = 'rejected' and r.reason = 'not_on_whatsapp' and e.status in ('active', 'paused') and drip_core._is_unreachable(
            v_org, e.contact_id, s.channel, drip_core._hash_address(s.channel, coalesce(e.merge_values, h.merge_values) ->> 'to')) then 'deferred'
          when r.outcome = 'rejected' then 'given_up'
          when r.outcome = 'unknown' and k.is_holding then 'held'
          when r.outcome in ('throttled', 'sender_error') then 'deferred'
          when e.status not in ('active', 'paused') then 'deferred'
          -- no fault of this message: it waits with its attempts as they are
          when r.outcome = 'retry' and r.reason in ('template_unavailable', 'session_closed') then 'waits'
          when e.attempt < cardinality(s.retry_backoff) then 'retry'
          else 'given_up'
        end as verdict
      offset 0
    ) as d
    -- the window of the step that comes: the next one, or this one again
    cross join lateral (
      select
        case d.verdict when 'sent' then s.next_timezone else s.timezone end as timezone,
        case d.verdict when 'sent' then s.next_weekdays else s.weekdays end as weekdays,
        case d.verdict when 'sent' then s.next_starts else s.starts end as starts,
        case d.verdict when 'sent' then s.next_ends else s.ends end as ends,
        case d.verdict when 'sent' then s.next_holidays else s.holidays end as holidays
    ) as w
    -- the next step after its delay, or this one again
    cross join lateral (
      select
        case d.verdict
          when 'sent' then v_now
          when 'retry' then greatest(v_now + s.retry_backoff[e.attempt + 1],
            case when r.retry_at is not null then least(r.retry_at, v_now + interval '168 hours') end)
        end as planned_from,
        case d.verdict when 'sent' then s.delay_elapsed else '0' end as elapsed,
        case d.verdict when 'sent' then s.delay_days else 0 end as days,
        case d.verdict when 'sent' then s.delay_business_days else 0 end as business_days,
        case d.verdict when 'sent' then s.delay_at end as at,
        case
          when w.timezone is not null then w.timezone
          when d.verdict not in ('sent', 'retry') then v_zone
          -- what needs no calendar: a retry without a window, the step after the last one, a delay that elapses
          when cardinality(w.weekdays) = 0
            and (d.verdict = 'retry' or s.next_id is null or (s.delay_days = 0 and s.delay_business_days = 0 and s.delay_at is null))
            then v_zone
          -- as _known_timezone, which is a call per message
          else coalesce((
            select tz.name
            from drip_core.contacts as c
            join drip_core.timezones as tz on tz.name = c.timezone
            where c.organization_id = v_org and c.id = e.contact_id
          ), v_zone)
        end as timezone,
        case
          when d.verdict <> 'given_up' then null
          when r.outcome = 'rejected' then coalesce(
            (select x.reason from drip_core.reasons as x where x.reason = r.reason and x.ends_as is not null), 'rejected_policy')
          else 'retries_exhausted'
        end as message_reason
      offset 0
    ) as p
    left join drip_core.reasons as mr on mr.reason = p.message_reason
    order by e.id
  ),

  -- sent, or given up
  written_messages as (
    insert into drip_core.messages (
      organization_id, enrollment_id, step_id, contact_id, sequence_id, version, channel, channel_account_id, status, reason, attempts,
      settled_at, lane_day, provider_message_id, merge_values, error_code, error_message
    )
    select
      v_org, w.enrollment_id, w.step_id, w.contact_id, w.sequence_id, w.version, w.channel, w.channel_account_id,
      case when w.outcome = 'sent' then 'sent' else 'failed' end::drip.message_status, w.message_reason, w.attempts,
      w.occurred_at, w.lane_day, w.provider_message_id, coalesce(w.merge_values, '{}'), w.error_code, w.error_message
    from settled as w
    where w.outcome = 'sent' or w.message_reason is not null
    on conflict on constraint messages_pkey do nothing
  ),

  written_events as (
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, data
    )
    select
      v_org, w.occurred_at, v_now,
      case when w.outcome = 'sent' then 'sent' when w.disposition = 'held' then 'held' else 'attempt_failed' end::drip.event_type,
      case when w.disposition = 'held' then 'outcome_unknown' else coalesce(w.message_reason, w.wait_reason) end,
      w.enrollment_id, w.contact_id, w.sequence_id, w.version, w.step_id, w.channel, w.channel_account_id,
      case when w.outcome <> 'sent' then jsonb_strip_nulls(jsonb_build_object(
        'outcome', w.outcome, 'attempt', w.attempts, 'error_code', w.error_code, 'error_message', w.error_message)) end
    from settled as w
    where w.outcome not in ('throttled', 'sender_error') and not (w.disposition = 'held' and w.was_held)
  ),

  -- their status events come from the trigger
  written_enrollments as (
    update drip_core.enrollments as e
    set
      status = w.new_status,
      status_reason = w.new_reason,
      status_note = case when e.status = w.new_status then e.status_note end,
      status_cause = case when e.status = w.new_status then e.status_cause end,
      status_changed_at = case when e.status <> w.new_status then v_now else e.status_changed_at end,
      step_id = w.new_step_id,
      channel_account_id = w.new_channel_account_id,
      next_step_at = w.new_next_step_at,
      planned_from = w.new_planned_from,
      is_after_delay = w.new_is_after_delay,
      attempt = w.new_attempt,
      wait_reason = w.wait_reason,
      claim_token = case when w.disposition = 'held' then e.claim_token end,
      lease_expires_at = null,
      handed_over_at = null,
      merge_values = null
    from settled as w
    where e.organization_id = v_org and e.id = w.enrollment_id
  ),

  -- what is due before the lanes look again
  written_wakeups as (
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, w.new_channel_account_id, w.sequence_id, min(w.new_next_step_at)
    from settled as w
    where w.new_status = 'active' and w.new_next_step_at <= v_now + interval '60 seconds'
    group by w.new_channel_account_id, w.sequence_id
  ),

  -- what bounce and complaint rates are measured against; the lanes are ours
  written_hours as (
    insert into drip_core.sender_hours as x (organization_id, channel_account_id, hour, sent, refused, needs_guard)
    select
      v_org, w.channel_account_id, date_trunc('hour', v_now, 'UTC'), count(*) filter (where w.outcome = 'sent'),
      count(*) filter (where w.message_reason = 'invalid_address'), bool_or(w.message_reason is not distinct from 'invalid_address')
    from settled as w
    where w.outcome = 'sent' or w.message_reason = 'invalid_address'
    group by w.channel_account_id
    on conflict on constraint sender_hours_pkey do update
    set sent = x.sent + excluded.sent, refused = x.refused + excluded.refused, needs_guard = x.needs_guard or excluded.needs_guard
  ),

  of_lanes as (
    select
      w.channel_account_id as id,
      count(*) filter (where w.disposition not in ('advanced', 'completed', 'held'))::int as returned,
      count(*) filter (where not w.was_held)::int as unleased,
      (count(*) filter (where w.disposition = 'held' and not w.was_held)
        - count(*) filter (where w.disposition <> 'held' and w.was_held))::int as held_change,
      left(max(concat_ws(' ', w.error_code, w.error_message)) filter (where w.outcome = 'sender_error'), 500) as sender_error,
      -- within a week: a time that the provider garbled must not stop the sender for good
      max(least(greatest(coalesce(w.retry_at, v_now + interval '60 seconds'), v_now + interval '1 second'), v_now + interval '168 hours'))
        filter (where w.outcome = 'throttled') as throttled_until
    from settled as w
    group by w.channel_account_id
  )

  select
    array(select row(w.ordinal, w.disposition)::drip_core.disposition from settled as w),
    array(select row(t.id, t.returned, t.unleased, t.held_change, t.sender_error, t.throttled_until)::drip_core.lane_settlement from of_lanes as t),
    -- the few that have more to tell
    array(
      select row(
        w.ordinal, w.enrollment_id, w.claim_token, w.outcome, w.provider_message_id, w.occurred_at, w.error_code, w.error_message,
        w.retry_at, w.was_held, w.contact_id, w.sequence_id, w.version, w.step_id, w.channel, w.channel_account_id, w.attempts,
        w.merge_values, w.message_reason, w.new_status, w.new_reason, w.new_step_id, w.new_channel_account_id, w.new_next_step_at,
        w.new_attempt, w.disposition
      )::drip_core.settlement
      from settled as w
      where w.disposition in ('held', 'bounced') or w.was_held or w.message_reason in ('opted_out', 'unsubscribed', 'complained')
      order by w.enrollment_id
    )
  into v_answers, v_lanes, v_rows;

  -- what does not settle is stale; what it says is kept
  if cardinality(v_answers) < cardinality(_settle_messages.results) then
    insert into drip_core.late_results (
      organization_id, enrollment_id, claim_token, outcome, provider_message_id, error_code, error_message, occurred_at, recorded_at
    )
    select
      v_org, r.enrollment_id, r.claim_token, r.outcome,
      case when c.erased_at is null then r.provider_message_id else drip_core._blind_id(r.provider_message_id) end, r.error_code,
      case when c.erased_at is null then r.error_message end, r.occurred_at, v_now
    from unnest(_settle_messages.results) as r
    join drip_core.enrollments as e on e.organization_id = v_org and e.id = r.enrollment_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
    where not exists (select from unnest(v_answers) as w where w.ordinal = r.ordinal)
      and r.enrollment_id = any (v_locked);
  end if;
  if cardinality(v_answers) = 0 then
    return v_answers;
  end if;

  update drip_core.lanes as l
  set
    counter_day = x.day,
    used = case when x.day > l.counter_day then l.leased + l.held else l.used end - x.returned,
    leased = l.leased - x.unleased,
    held = l.held + x.held_change,
    status = case when x.sender_error is not null then 'blocked' else l.status end,
    reason = case when x.sender_error is not null then 'sender_blocked' else l.reason end,
    detail = coalesce(x.sender_error, l.detail),
    resumes_on_connect = case
      when x.sender_error is not null and l.status <> 'blocked' then x.sender_error like 'not\_connected%' else l.resumes_on_connect
    end,
    status_changed_at = case when x.sender_error is not null and l.status <> 'blocked' then v_now else l.status_changed_at end,
    next_slot_at = greatest(l.next_slot_at, x.throttled_until, x.gap_until),
    slot_reason = case
      when x.throttled_until >= greatest(l.next_slot_at, x.throttled_until, x.gap_until) then 'throttled'
      when x.gap_until >= greatest(l.next_slot_at, x.throttled_until, x.gap_until) then 'pacing'
      else l.slot_reason
    end,
    ready_at = case
      when x.gap_until is not null then greatest(l.next_slot_at, x.throttled_until, x.gap_until)
      when x.throttled_until is not null then greatest(l.ready_at, x.throttled_until)
      when x.returned > 0 then greatest(least(l.ready_at, v_now), l.next_slot_at, x.throttled_until, x.gap_until)
      else l.ready_at
    end
  from (
    select
      t.id, k.day, t.returned, t.unleased, t.held_change, t.sender_error, t.throttled_until,
      v_now + a.min_gap + v_random * (a.max_gap - a.min_gap) as gap_until
    from unnest(v_lanes) as t
    join unnest(v_lane_ids, v_lane_days) as k (id, day) on k.id = t.id
    join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = t.id
  ) as x
  where l.organization_id = v_org and l.channel_account_id = x.id;

  if cardinality(v_rows) > 0 then
    delete from drip_core.held_messages as h
    using unnest(v_rows) as w
    where h.organization_id = v_org and h.enrollment_id = w.enrollment_id and w.was_held and w.disposition <> 'held';
    insert into drip_core.held_messages (
      organization_id, enrollment_id, step_id, channel_account_id, claim_token, attempt, merge_values, handed_over_at, held_at, error_code, error_message
    )
    select v_org, w.enrollment_id, w.step_id, w.channel_account_id, w.claim_token, w.new_attempt, w.merge_values, w.occurred_at, v_now, w.error_code, w.error_message
    from unnest(v_rows) as w
    where w.disposition = 'held'
    on conflict on constraint held_messages_pkey do nothing;
    -- the address that was written to: the contact may have another one by now; in key order, as rivals insert them
    insert into drip_core.suppressions (organization_id, channel, address_hash, reason, evidence, created_at)
    select
      v_org, b.channel, b.address_hash, b.message_reason, jsonb_strip_nulls(jsonb_build_object(
        'enrollment_id', b.enrollment_id, 'step_id', b.step_id, 'error_code', b.error_code, 'error_message', b.error_message)), v_now
    from (
      select
        w.channel, drip_core._hash_address(w.channel, w.merge_values ->> 'to') as address_hash, w.message_reason,
        w.enrollment_id, w.step_id, w.error_code, w.error_message
      from unnest(v_rows) as w
      where (w.disposition = 'bounced' or w.message_reason in ('opted_out', 'unsubscribed', 'complained')) and w.merge_values ->> 'to' is not null
    ) as b
    order by b.channel, b.address_hash, b.enrollment_id
    on conflict do nothing;
  end if;

  -- a template that the provider refuses, whatever the message: none of its messages is tried for an hour
  if exists (
    select from unnest(v_firsts) as r where r.outcome = 'retry' and r.reason = 'template_unavailable' and r.retry_at is null
  ) then
    with refused as (
      select s.template ->> 'name' as name, s.template ->> 'language' as language, min(concat_ws(' ', r.error_code, r.error_message)) as said
      from unnest(v_firsts) as r
      join unnest(v_answers) as w on w.ordinal = r.ordinal
      join drip_core.enrollments as e on e.organization_id = v_org and e.id = r.enrollment_id
      join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
      where r.outcome = 'retry' and r.reason = 'template_unavailable' and r.retry_at is null
      group by 1, 2
    ),

    locked as (
      select t.id, f.said
      from drip_core.whatsapp_templates as t
      join refused as f on f.name = t.name and f.language = t.language
      where t.organization_id = v_org
      order by t.name, t.language
      for no key update of t
    )

    update drip_core.whatsapp_templates as t
    set unavailable_until = v_now + interval '1 hour', unavailable_detail = left(k.said, 500)
    from locked as k
    where t.organization_id = v_org and t.id = k.id;
  end if;

  -- nearly always there are none
  if exists (select from drip_core.detached_claims as c where c.organization_id = v_org) then
    delete from drip_core.detached_claims as c
    where c.organization_id = v_org and c.enrollment_id = any (v_locked)
      and exists (select from drip_core.enrollments as e where e.organization_id = v_org and e.id = c.enrollment_id and e.lease_expires_at is null);
  end if;

  return v_answers;
end;
$$;

revoke all on function drip_core._settle_messages(bigint, drip_core.provider_result[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._settle_messages(bigint, drip_core.provider_result[]) is
'Settles provider results of one organization and answers with a disposition each.';
