-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_check_messages.sql, functions/internal/_current_key.sql, functions/internal/_cap_contacts.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql, functions/internal/_effective_limit.sql, functions/internal/_require_permission.sql, functions/internal/_require_enrollment.sql, functions/internal/_step_after_skip.sql
-- Explains one enrollment: the rules in the order in which the engine applies them, the verdict of each, and when it would
-- send. Eligibility, window and the cap of the contact are judged by the functions the claim itself uses.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.why(organization_id bigint, enrollment_id bigint)
returns table (rule text, verdict text, detail text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := why.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_e drip_core.enrollments;
  v_l record;
  v_sequence drip.sequence_status;
  v_step text;
  v_reason drip.reason;
  v_held_at timestamptz;
  v_effect drip.reason_effect;
  v_ends_as drip.enrollment_status;
  v_skips_to text;
  v_next timestamptz;
  v_w record;
  v_open_at timestamptz;
  v_cap_until timestamptz;
  v_stopped_by text;
begin
  perform drip_core._require_permission(v_org, 'why');
  perform drip_core._require_enrollment(v_org, why.enrollment_id);
  select e.* into v_e from drip_core.enrollments as e where e.organization_id = v_org and e.id = why.enrollment_id;
  return query select 'status', v_e.status::text, concat_ws(', ', 'since ' || v_e.status_changed_at, 'reason: ' || v_e.status_reason, v_e.status_note);
  if v_e.status not in ('active', 'paused') then
    return query select 'next', 'never', 'the enrollment has ended';
    return;
  end if;
  if v_e.status = 'paused' then
    v_stopped_by := 'the enrollment is paused';
  end if;

  select s.key into v_step from drip_core.steps as s where s.organization_id = v_org and s.id = v_e.step_id;
  return query select 'step', v_step, concat_ws(', ',
    format('attempt %s, due %s', v_e.attempt + 1, coalesce(v_e.next_step_at::text, 'not: held')),
    case when v_e.next_step_at > v_now then 'put off: ' || v_e.wait_reason end);

  select h.held_at into v_held_at from drip_core.held_messages as h where h.organization_id = v_org and h.enrollment_id = v_e.id;
  if v_held_at is not null then
    return query select 'claim', 'held', format('outcome unknown since %s; drip.resolve_unknown settles it', v_held_at);
    v_stopped_by := coalesce(v_stopped_by, 'its outcome is unknown');
  elsif v_e.lease_expires_at > v_now then
    return query select 'claim', 'in_flight', format('leased until %s', v_e.lease_expires_at);
  else
    return query select 'claim', 'free', null::text;
  end if;

  select s.status into v_sequence from drip_core.sequences as s where s.organization_id = v_org and s.id = v_e.sequence_id;
  return query select 'sequence', v_sequence::text, case when v_sequence <> 'active' then 'nothing is claimed for it' end;
  if v_sequence <> 'active' then
    v_stopped_by := coalesce(v_stopped_by, 'the sequence is ' || v_sequence);
  end if;

  select
    a.key, l.status, l.reason, l.detail, l.next_slot_at, l.slot_reason, l.leased, l.held, a.min_gap,
    least(a.daily_limit, a.provider_limit, case when a.ramp_increment = 0 then a.ramp_start end) as last_limit, c.used, c.day,
    drip_core._effective_limit(least(a.daily_limit, a.provider_limit), a.ramp_start, a.ramp_increment, l.first_claim_day, c.day) as effective_limit,
    (c.day + 1)::timestamp at time zone coalesce(a.timezone, o.timezone) as next_day_at
  into v_l
  from drip_core.lanes as l
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = l.channel_account_id
  join drip_core.organizations as o on o.id = v_org
  cross join lateral (
    select
      greatest(l.counter_day, (v_now at time zone coalesce(a.timezone, o.timezone))::date) as day,
      case
        when l.counter_day is null or (v_now at time zone coalesce(a.timezone, o.timezone))::date > l.counter_day then l.leased + l.held
        else l.used
      end as used
  ) as c
  where l.organization_id = v_org and l.channel_account_id = v_e.channel_account_id;
  return query select 'lane', v_l.status::text, concat_ws(', ', v_l.key, v_l.reason::text, v_l.detail);
  if v_l.status <> 'active' then
    v_stopped_by := coalesce(v_stopped_by, format('the sender %s is %s', v_l.key, v_l.status));
  end if;
  return query select
    'daily_limit', case when v_l.used >= v_l.effective_limit then 'waits' else 'passes' end,
    case when v_l.effective_limit is null then 'no limit' else format('%s of %s on %s', v_l.used, v_l.effective_limit, v_l.day) end;
  if v_l.held >= v_l.last_limit then
    v_stopped_by := coalesce(v_stopped_by, format('the sender %s has %s held messages, its limit is %s', v_l.key, v_l.held, v_l.last_limit));
  end if;
  return query select
    'pacing', case when v_l.next_slot_at > v_now or (v_l.min_gap is not null and v_l.leased > 0) then 'waits' else 'passes' end,
    case
      when v_l.next_slot_at > v_now then format('%s until %s', coalesce(v_l.slot_reason, 'pacing'), v_l.next_slot_at)
      when v_l.min_gap is not null and v_l.leased > 0 then 'the message before is in flight'
    end;

  select nullif(m.reason, 'window_closed')
  into v_reason
  from drip_core._current_key('link') as k
  cross join lateral drip_core._check_messages(
    v_org, array[v_e.id], array[v_e.step_id],
    array(select a from drip_core.channel_accounts as a where a.organization_id = v_org and a.id = v_e.channel_account_id), k.key_id, k.inner_pad, k.outer_pad
  ) as m;
  select r.effect, r.ends_as into v_effect, v_ends_as from drip_core.reasons as r where r.reason = v_reason;
  if v_reason = 'replied' then
    -- a reply that nobody has reacted to yet
    select case v.on_reply when 'pause' then 'paused' else v_ends_as end
    into v_ends_as
    from drip_core.steps as s
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
    where s.organization_id = v_org and s.id = v_e.step_id;
  end if;
  if v_effect = 'skips_step' then
    select s.key into v_skips_to
    from drip_core.steps as s
    where s.organization_id = v_org and s.id = drip_core._step_after_skip(v_org, v_e.step_id, v_e.contact_id);
  end if;
  return query select 'eligibility', coalesce(v_reason::text, 'passes'), case
    when v_effect = 'waits' then 'the message would wait'
    when v_skips_to is not null then format('the step would be skipped at its claim, the next one is %s', v_skips_to)
    when v_effect is not null then format('the enrollment would end as %s at its claim', v_ends_as)
  end;
  if v_effect <> 'waits' and v_skips_to is null then
    v_stopped_by := coalesce(v_stopped_by, 'not eligible: ' || v_reason);
  end if;

  v_next := greatest(
    v_now, v_e.next_step_at, v_l.next_slot_at,
    case when v_l.used >= v_l.effective_limit then v_l.next_day_at end
  );
  select
    w.weekdays, w.starts, w.ends, w.holidays, coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone) as timezone,
    case when w.is_working_hours then ', working hours: no window is defined' else '' end as note
  into v_w
  from drip_core.steps as s
  join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
  join drip_core.contacts as c on c.organization_id = v_org and c.id = v_e.contact_id
  join drip_core.organizations as o on o.id = v_org
  where s.organization_id = v_org and s.id = v_e.step_id;
  v_open_at := drip_core._sendable_from(v_next, v_w.timezone, v_w.weekdays, v_w.starts, v_w.ends, v_w.holidays);
  return query select 'window', case when v_open_at > v_next then 'waits' else 'passes' end, case
    when cardinality(v_w.weekdays) = 0 then 'open at all times'
    when v_open_at > v_next then format('closed at %s, opens %s (%s%s)', v_next, v_open_at, v_w.timezone, v_w.note)
    else format('open at %s (%s%s)', v_next, v_w.timezone, v_w.note)
  end;

  select k.wait_until into v_cap_until from drip_core._cap_contacts(v_org, array[v_e.id]) as k;
  return query select
    'contact_cap', case when v_cap_until > v_open_at then 'waits' else 'passes' end,
    case when v_cap_until > v_open_at then format('the contact has had its messages until %s', v_cap_until) end;
  v_next := greatest(v_open_at, v_cap_until);
  if v_stopped_by is not null then
    return query select 'next', 'never', v_stopped_by;
  elsif v_e.lease_expires_at > v_now then
    return query select 'next', 'now', 'it is with the runner';
  else
    return query select 'next', v_next::text, case when v_next > v_now then 'not before, others of the same sender may come first' else 'at the next claim of its lane' end
      || case when v_skips_to is not null then '; this step is skipped then' else '' end;
  end if;
end;
$$;

revoke all on function drip.why(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.why(bigint, bigint) to drip_app;
comment on function drip.why(bigint, bigint) is
'Explains an enrollment: rule, verdict, detail in the order the engine applies them; first status, last next. Errors: PT403, PT404.';
