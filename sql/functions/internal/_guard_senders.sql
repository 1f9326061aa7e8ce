-- owner: drip_engine
-- Pauses senders whose bounces or complaints, over the days that their organization says, are more than it allows: of those
-- alone of which something came in since the last look. Counted are messages: bounces for good, for policy, content or the
-- sender (soft ones are not, nor what a cap, a template or a closed session stopped), those that the provider refused at once because the address does not exist, and complaints.
-- Nothing is paused before a sample has been sent, or for a single message; what happened before a sender was resumed is past.
-- Locks: the lanes with skip locked, then the rows it looks at. Errors: none. A repeat changes nothing.
create or replace function drip_core._guard_senders(allowed bigint[])
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_lane record;
  v_rule record;
  v_hour timestamptz;
  v_sent bigint;
  v_refused bigint;
  v_bounced bigint;
  v_complained bigint;
  v_reason drip.reason;
  v_count bigint;
  v_paused int := 0;
begin
  for v_lane in
    select distinct x.organization_id, x.channel_account_id
    from (
      (
        select p.organization_id, p.channel_account_id
        from drip_core.provider_events as p
        where p.needs_guard and (_guard_senders.allowed is null or p.organization_id = any (_guard_senders.allowed))
        order by p.recorded_at
        limit 1000
      )
      union all
      (
        select h.organization_id, h.channel_account_id
        from drip_core.sender_hours as h
        where h.needs_guard and (_guard_senders.allowed is null or h.organization_id = any (_guard_senders.allowed))
        order by h.hour
        limit 1000
      )
    ) as x
    order by x.organization_id, x.channel_account_id
    limit 100
  loop
    perform
    from drip_core.lanes as l
    where l.organization_id = v_lane.organization_id and l.channel_account_id = v_lane.channel_account_id
    for no key update skip locked;
    continue when not found;
    update drip_core.provider_events as p
    set needs_guard = false
    where p.organization_id = v_lane.organization_id and p.channel_account_id = v_lane.channel_account_id
      and p.type in ('bounced', 'complained', 'failed') and p.needs_guard;
    update drip_core.sender_hours as h
    set needs_guard = false
    where h.organization_id = v_lane.organization_id and h.channel_account_id = v_lane.channel_account_id and h.needs_guard;

    select
      l.status, l.guarded_from, o.guard_bounce_rate, o.guard_complaint_rate, o.guard_min_sent, o.guard_days,
      greatest(v_now - make_interval(hours => 24 * o.guard_days), l.guarded_from) as since
    into v_rule
    from drip_core.lanes as l
    join drip_core.organizations as o on o.id = l.organization_id
    where l.organization_id = v_lane.organization_id and l.channel_account_id = v_lane.channel_account_id;
    continue when v_rule.status <> 'active';
    -- whole hours: of the one in which it was resumed nothing counts
    v_hour := date_trunc('hour', v_rule.since, 'UTC') + case when v_rule.since = v_rule.guarded_from then interval '1 hour' else '0' end;
    select coalesce(sum(h.sent), 0), coalesce(sum(h.refused), 0)
    into v_sent, v_refused
    from drip_core.sender_hours as h
    where h.organization_id = v_lane.organization_id and h.channel_account_id = v_lane.channel_account_id and h.hour >= v_hour;
    select
      count(distinct (p.enrollment_id, p.step_id)) filter (where p.type <> 'complained') + v_refused,
      count(distinct (p.enrollment_id, p.step_id)) filter (where p.type = 'complained')
    into v_bounced, v_complained
    from drip_core.provider_events as p
    where p.organization_id = v_lane.organization_id and p.channel_account_id = v_lane.channel_account_id
      and p.type in ('bounced', 'complained', 'failed') and p.occurred_at >= v_hour and p.state = 'applied'
      and (p.reason is null or p.reason not in ('soft_bounced', 'throttled', 'session_closed', 'template_unavailable', 'opted_out'));
    continue when v_sent + v_refused < v_rule.guard_min_sent;

    v_reason := case
      when v_complained >= 2 and v_complained > v_rule.guard_complaint_rate * (v_sent + v_refused) then 'complained'
      when v_bounced >= 2 and v_bounced > v_rule.guard_bounce_rate * (v_sent + v_refused) then 'bounced'
    end::drip.reason;
    if v_reason is not null then
      v_count := case v_reason when 'complained' then v_complained else v_bounced end;
      update drip_core.lanes as l
      set
        status = 'paused',
        reason = v_reason,
        detail = format(
          '%s of %s messages since %s UTC %s (%s %%, allowed are %s %%); drip.resume_lane lets it go on', v_count, v_sent + v_refused,
          to_char(v_hour at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), case v_reason when 'complained' then 'were reported as spam' else 'came back' end,
          round(100.0 * v_count / (v_sent + v_refused), 2),
          round(100 * case v_reason when 'complained' then v_rule.guard_complaint_rate else v_rule.guard_bounce_rate end, 2)),
        status_changed_at = v_now
      where l.organization_id = v_lane.organization_id and l.channel_account_id = v_lane.channel_account_id;
      v_paused := v_paused + 1;
    end if;
  end loop;
  return v_paused;
end;
$$;

revoke all on function drip_core._guard_senders(bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._guard_senders(bigint[]) is 'Pauses senders that bounce or are complained of more than their organization allows; how many.';
