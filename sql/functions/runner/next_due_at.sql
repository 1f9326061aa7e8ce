-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/internal/_effective_limit.sql
-- When a claim could next return something, from the rows and lanes themselves (never from probe times): the earliest
-- due enrollment of each open queue, not before its lane may send; a lease in flight counts with its expiry.
-- Null: nothing waits. Not later than now: call again. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip.next_due_at()
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
  v_due timestamptz;
begin
  select min(greatest(
    least(
      -- a lane with a gap waits for what it has in flight, wherever that is
      case when w.free_at is not null then greatest(w.free_at, case when a.min_gap is not null then w.lease_at end) end,
      w.open_lease_at
    ),
    l.next_slot_at,
    -- no capacity before the next local day, or before a lease in flight expires unused
    case when c.used >= drip_core._effective_limit(least(a.daily_limit, a.provider_limit), a.ramp_start, a.ramp_increment, l.first_claim_day, c.day)
      then least((c.day + 1)::timestamp at time zone coalesce(a.timezone, o.timezone), w.lease_at) end
  ))
  into v_due
  from drip_core.lanes as l
  join drip_core.channel_accounts as a on a.organization_id = l.organization_id and a.id = l.channel_account_id
  join drip_core.organizations as o on o.id = l.organization_id
  cross join lateral (
    select case
      when l.counter_day is null or (v_now at time zone coalesce(a.timezone, o.timezone))::date > l.counter_day then l.leased + l.held
      else l.used
    end as used,
    greatest(l.counter_day, (v_now at time zone coalesce(a.timezone, o.timezone))::date) as day
  ) as c
  cross join lateral (
    select
      min(f.free_at) as free_at,
      min(f.lease_at) filter (where f.is_open) as open_lease_at,
      -- of an enrollment that was paused or ended in flight
      least(min(f.lease_at), case when l.leased > 0 then (
        select min(d.lease_expires_at)
        from drip_core.detached_claims as d
        where d.organization_id = l.organization_id and d.channel_account_id = l.channel_account_id
      ) end) as lease_at
    from (
      select
        q.is_open,
        case when q.is_open then (
          select e.next_step_at
          from drip_core.enrollments as e
          where e.organization_id = q.organization_id and e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id
            and e.status = 'active' and e.next_step_at is not null and e.claim_token is null
          order by e.next_step_at, e.id
          limit 1
        ) end as free_at,
        -- claims take what is due longest, so leases are among the first; never a whole backlog is read
        case when l.leased > 0 then (
          select min(k.lease_expires_at)
          from (
            select e.lease_expires_at
            from drip_core.enrollments as e
            where e.organization_id = q.organization_id and e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id
              and e.status = 'active' and e.next_step_at <= v_now
            order by e.next_step_at, e.id
            limit 1000
          ) as k
        ) end as lease_at
      from drip_core.queues as q
      where q.organization_id = l.organization_id and q.channel_account_id = l.channel_account_id
    ) as f
  ) as w
  where l.status = 'active'
    and (v_allowed is null or l.organization_id = any (v_allowed))
    -- held messages may fill a limit for good
    and coalesce(l.held < least(a.daily_limit, a.provider_limit, case when a.ramp_increment = 0 then a.ramp_start end), true)
    and (w.free_at is not null or w.open_lease_at is not null);
  return least(v_due, (
    select min(t.due_at) from drip_core.test_messages as t
    where t.due_at is not null and (v_allowed is null or t.organization_id = any (v_allowed))
  ));
end;
$$;

revoke all on function drip.next_due_at() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.next_due_at() to drip_runner;
comment on function drip.next_due_at() is
'When a claim could next return something; not later than now: call again; null: nothing waits.';
