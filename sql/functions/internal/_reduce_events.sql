-- owner: drip_engine
-- requires: functions/internal/_make_reduced_partition.sql
-- Copies the facts of the oldest month past its time, a stretch of up to 1,000 events per call. A fact is what a report
-- may count: every event but failed attempts, holds, test sends, and a repeated open or click of a message; without its
-- details (error texts, notes, addresses of machines), those of enrolled and converted excepted. The month itself stays
-- as it is until all is copied (_replace_event_month), so every report shows the same at every moment. Nothing is
-- recorded ninety days late, so a month past its time no longer grows.
-- Locks: none; the caller holds the row of the setting. Errors: none. A repeat goes on where the last one stopped.
create or replace function drip_core._reduce_events(at timestamptz)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_row drip_core.retention;
  v_from timestamptz;
  v_to timestamptz;
  v_org bigint;
  v_at timestamptz;
  v_id bigint;
  v_seen int;
  v_left int := 1000;
begin
  select r.* into v_row from drip_core.retention as r where r.subject = 'event_details';
  if v_row.month is null then
    select min(to_date(substr(c.relname, 8), 'YYYY_MM'))
    into v_row.month
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'drip_core.events'::regclass and c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
      and (to_date(substr(c.relname, 8), 'YYYY_MM') + interval '1 month') at time zone 'UTC' <= _reduce_events.at - v_row.keep_for;
    if v_row.month is null then
      return 0;
    end if;
    v_row.position := array[0, 0];
    v_row.position_at := null;
    perform drip_core._make_reduced_partition(
      'events_' || to_char(v_row.month, 'YYYY_MM') || '_facts',
      v_row.month::timestamp at time zone 'UTC', (v_row.month + interval '1 month') at time zone 'UTC');
  end if;
  v_from := v_row.month::timestamp at time zone 'UTC';
  v_to := (v_row.month + interval '1 month') at time zone 'UTC';
  v_org := v_row.position[1];
  v_id := v_row.position[2];
  v_at := coalesce(v_row.position_at, v_from);

  for v_i in 1 .. 200 loop
    exit when v_left <= 0 or v_org is null or v_row.is_copied;
    with stretch as (
      select e.id, e.recorded_at
      from drip_core.events as e
      where e.organization_id = v_org and e.recorded_at >= v_from and e.recorded_at < v_to and (e.recorded_at, e.id) > (v_at, v_id)
      order by e.recorded_at, e.id
      limit v_left
    ),

    copied as (
      insert into drip_core.reduced_events (
        organization_id, id, recorded_at, occurred_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
        channel_account_id, actor_profile_id, is_machine, is_test, data
      )
      select
        v_org, e.id, e.recorded_at, e.occurred_at, e.type, e.reason, e.enrollment_id, e.contact_id, e.sequence_id, e.version, e.step_id,
        e.channel, e.channel_account_id, e.actor_profile_id, e.is_machine, e.is_test,
        case when e.type in ('enrolled', 'converted') then e.data end
      from stretch as s
      join drip_core.events as e on e.organization_id = v_org and e.recorded_at = s.recorded_at and e.id = s.id
      where e.type not in ('attempt_failed', 'held')
        and not e.is_test
        and not (e.type in ('opened', 'clicked') and exists (
          select from drip_core.events as p
          where p.organization_id = v_org and p.enrollment_id = e.enrollment_id and p.step_id = e.step_id and p.type = e.type and not p.is_test
            and p.is_machine is not distinct from e.is_machine and (p.occurred_at, p.id) < (e.occurred_at, e.id)
        ))
    )

    select count(*), (array_agg(s.recorded_at order by s.recorded_at desc, s.id desc))[1], (array_agg(s.id order by s.recorded_at desc, s.id desc))[1]
    into v_seen, v_row.position_at, v_id
    from stretch as s;

    if v_seen = v_left then
      v_at := v_row.position_at;
    else
      select min(o.id) into v_org from drip_core.organizations as o where o.id > v_org;
      v_at := v_from;
      v_id := 0;
    end if;
    v_left := v_left - v_seen;
  end loop;

  update drip_core.retention as r
  set
    month = v_row.month,
    is_copied = v_org is null or v_row.is_copied,
    position = array[v_org, v_id],
    position_at = v_at
  where r.subject = 'event_details';
  return 1000 - v_left;
end;
$$;

revoke all on function drip_core._reduce_events(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._reduce_events(timestamptz) is 'Copies the facts of an old month of events, a bounded stretch per call; returns how many events it looked at.';
