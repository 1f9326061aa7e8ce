-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_plan_step.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql
-- Plans enrollments anew from where they were planned, in the time zone, window and holidays of now: those that wait for
-- their time, active or paused, and are not in flight. What was meant by a delay or a local time stays what was meant.
-- Locks: the enrollments, with skip locked; what a rival holds, and is not in flight, is left to drip.tick in a row of
-- replans. Errors: none. A repeat changes nothing.
create or replace function drip_core._replan_enrollments(organization_id bigint, enrollment_ids bigint[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _replan_enrollments.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_ids bigint[];
begin
  v_ids := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (_replan_enrollments.enrollment_ids)
      and e.status in ('active', 'paused') and e.claim_token is null and e.next_step_at > v_now
    order by e.id
    for no key update skip locked
  );

  insert into drip_core.replans (organization_id, contact_id, requested_at)
  select distinct v_org, e.contact_id, v_now
  from drip_core.enrollments as e
  where e.organization_id = v_org and e.id = any (_replan_enrollments.enrollment_ids) and e.id <> all (v_ids)
    and e.status in ('active', 'paused') and e.claim_token is null and e.next_step_at > v_now
    and not exists (select from drip_core.replans as r where r.organization_id = v_org and r.contact_id = e.contact_id);

  with planned as materialized (
    select
      e.id, e.channel_account_id, e.sequence_id, e.status, e.next_step_at as old_at, e.wait_reason,
      z.timezone, w.weekdays, w.starts, w.ends, w.holidays,
      case
        -- the contact has had its messages: its turn comes when it comes
        when e.wait_reason = 'contact_cap' or e.planned_from is null then e.next_step_at
        when not e.is_after_delay then e.planned_from
        else drip_core._plan_step(
          e.planned_from, s.delay_elapsed, s.delay_days, s.delay_business_days, s.delay_at, z.timezone,
          w.weekdays, w.starts, w.ends, w.holidays)
      end as plan_at
    from drip_core.enrollments as e
    join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
    join drip_core.organizations as o on o.id = v_org
    join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
    cross join lateral (select coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone) as timezone) as z
    where e.organization_id = v_org and e.id = any (v_ids)
  ),

  moved as materialized (
    select p.id, p.channel_account_id, p.sequence_id, p.status, p.old_at, p.wait_reason, p.plan_at, k.new_at
    from planned as p
    cross join lateral (
      select drip_core._sendable_from(greatest(p.plan_at, v_now), p.timezone, p.weekdays, p.starts, p.ends, p.holidays) as new_at
    ) as k
    where k.new_at <> p.old_at
  ),

  woken as (
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, m.channel_account_id, m.sequence_id, min(m.new_at)
    from moved as m
    where m.status = 'active' and m.new_at < m.old_at
    group by m.channel_account_id, m.sequence_id
  )

  update drip_core.enrollments as e
  set
    next_step_at = m.new_at,
    wait_reason = case when m.wait_reason = 'contact_cap' then m.wait_reason when m.plan_at < v_now and m.new_at > v_now then 'window_closed' end
  from moved as m
  where e.organization_id = v_org and e.id = m.id;
end;
$$;

revoke all on function drip_core._replan_enrollments(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._replan_enrollments(bigint, bigint[]) to drip_owner;
comment on function drip_core._replan_enrollments(bigint, bigint[]) is
'Plans enrollments that wait for their time anew, in the time zone, window and holidays of now.';
