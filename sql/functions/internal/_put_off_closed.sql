-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql
-- Puts off what is due in queues where a claim met a closed window: up to max_rows messages per queue whose window is
-- closed move to its next opening, so that a backlog that missed its window does not take a claim for each batch of it.
-- The caller holds the lanes. Locks: the enrollments, with skip locked. Errors: none. A repeat goes on.
create or replace function drip_core._put_off_closed(organization_id bigint, channel_account_ids bigint[], sequence_ids bigint[], max_rows int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _put_off_closed.organization_id;
  v_now constant timestamptz := drip_core.now();
begin
  with due as materialized (
    select k.id, k.contact_id, k.step_id
    from unnest(_put_off_closed.channel_account_ids, _put_off_closed.sequence_ids) as q (lane, sequence_id)
    cross join lateral (
      select e.id, e.contact_id, e.step_id
      from drip_core.enrollments as e
      where e.organization_id = v_org and e.channel_account_id = q.lane and e.sequence_id = q.sequence_id
        and e.status = 'active' and e.next_step_at <= v_now and e.claim_token is null
      order by e.next_step_at, e.id
      limit _put_off_closed.max_rows
      for no key update skip locked
    ) as k
  ),

  zoned as materialized (
    select d.id, s.sequence_id, s.version, s.channel, coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone) as timezone, w.weekdays, w.starts, w.ends, w.holidays
    from due as d
    join drip_core.steps as s on s.organization_id = v_org and s.id = d.step_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = d.contact_id
    join drip_core.organizations as o on o.id = v_org
    join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
  ),

  openings as (
    -- one calculation for all messages of a version and channel in a time zone
    select z.sequence_id, z.version, z.channel, z.timezone,
      drip_core._sendable_from(v_now, z.timezone, z.weekdays, z.starts, z.ends, z.holidays) as open_at
    from (select distinct on (x.sequence_id, x.version, x.channel, x.timezone) x.* from zoned as x) as z
  )

  update drip_core.enrollments as e
  set next_step_at = p.open_at, wait_reason = 'window_closed'
  from zoned as z
  join openings as p on p.sequence_id = z.sequence_id and p.version = z.version and p.channel = z.channel and p.timezone = z.timezone
  where e.organization_id = v_org and e.id = z.id and p.open_at > v_now;
end;
$$;

revoke all on function drip_core._put_off_closed(bigint, bigint[], bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._put_off_closed(bigint, bigint[], bigint[], int) is
'Moves due messages of queues whose window is closed to its next opening, up to max_rows per queue.';
