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
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
  v_due timestamptz;
begin
  select min(greatest(f.due_at, s.slot_at))
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
    select greatest(
      l.next_slot_at,
      case when c.used >= drip_core._effective_limit(a.daily_limit, a.ramp_start, a.ramp_increment, l.first_claim_day, c.day)
        then (c.day + 1)::timestamp at time zone coalesce(a.timezone, o.timezone) end
    ) as slot_at
  ) as s
  join drip_core.queues as q on q.organization_id = l.organization_id and q.channel_account_id = l.channel_account_id and q.is_open
  cross join lateral (
    select least(
      (
        select e.next_step_at
        from drip_core.enrollments as e
        where e.organization_id = q.organization_id and e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id
          and e.status = 'active' and e.next_step_at is not null and e.claim_token is null
          and (a.min_gap is null or l.leased = 0)
        order by e.next_step_at, e.id
        limit 1
      ),
      case when l.leased > 0 then (
        select min(e.lease_expires_at)
        from drip_core.enrollments as e
        where e.organization_id = q.organization_id and e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id
          and e.status = 'active' and e.next_step_at <= v_now and e.lease_expires_at is not null
      ) end
    ) as due_at
  ) as f
  where l.status = 'active'
    and a.daily_limit is distinct from 0
    and (v_allowed is null or l.organization_id = any (v_allowed))
    and f.due_at is not null;
  return v_due;
end;
$$;

revoke all on function drip.next_due_at() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.next_due_at() to drip_runner;
comment on function drip.next_due_at() is
'When a claim could next return something; not later than now: call again; null: nothing waits.';
