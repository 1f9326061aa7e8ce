-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql
-- Of messages that are about to be claimed, in the order given: those whose contact has had its messages of the day or of
-- the week, with the instant from which the message may go out. What was sent counts on its local day of the organization,
-- what is in flight counts today, what is held on the day it was handed over; so do the ones before it in the order given.
-- The caller holds the contacts, so that no rival counts at the same time. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._cap_contacts(organization_id bigint, enrollment_ids bigint[])
returns table (enrollment_id bigint, wait_until timestamptz)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _cap_contacts.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_o record;
  v_today date;
  v_since timestamptz;
begin
  select o.timezone, o.contact_cap_per_day as per_day, o.contact_cap_per_week as per_week
  into v_o
  from drip_core.organizations as o
  where o.id = v_org;
  v_today := (v_now at time zone v_o.timezone)::date;
  v_since := (v_today - 6)::timestamp at time zone v_o.timezone;
  return query
  with wanted as (
    select
      e.id, e.step_id, e.contact_id,
      -- those of the same contact that go first
      row_number() over (partition by e.contact_id order by i.ordinal) - 1 as before
    from unnest(_cap_contacts.enrollment_ids) with ordinality as i (id, ordinal)
    join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
  ),

  waiting as (
    select
      w.id, w.step_id, w.contact_id,
      greatest(
        case when f.free >= v_o.per_day or had.days[v_o.per_day - f.free] >= v_today then v_today + 1 end,
        case when f.free >= v_o.per_week then v_today + 7 else had.days[v_o.per_week - f.free] + 7 end
      ) as until_day
    from wanted as w
    join (
      select k.contact_id, coalesce(array_agg(d.day order by d.day desc) filter (where d.day is not null), '{}') as days
      from (select distinct u.contact_id from wanted as u) as k
      left join drip_core.enrollments as e on e.organization_id = v_org and e.contact_id = k.contact_id
      left join lateral (
        select (m.settled_at at time zone v_o.timezone)::date as day
        from drip_core.messages as m
        where m.organization_id = v_org and m.enrollment_id = e.id and m.status = 'sent' and m.settled_at >= v_since
        union all
        select v_today
        where e.lease_expires_at is not null
        union all
        select (coalesce(h.handed_over_at, h.held_at) at time zone v_o.timezone)::date
        from drip_core.held_messages as h
        where h.organization_id = v_org and h.enrollment_id = e.id and coalesce(h.handed_over_at, h.held_at) >= v_since
      ) as d on true
      group by k.contact_id
    ) as had on had.contact_id = w.contact_id
    -- how many of them may go now: those behind wait for the first day with room, where they compete again
    cross join lateral (
      select greatest(least(
        v_o.per_day - (select count(*) from unnest(had.days) as d (day) where d.day >= v_today), v_o.per_week - cardinality(had.days)
      ), 0)::int as free
    ) as f
    where w.before >= f.free
  )

  select
    w.id,
    drip_core._sendable_from(
      w.until_day::timestamp at time zone v_o.timezone, coalesce(sw.timezone, drip_core._known_timezone(c.timezone), v_o.timezone),
      sw.weekdays, sw.starts, sw.ends, sw.holidays)
  from waiting as w
  join drip_core.steps as s on s.organization_id = v_org and s.id = w.step_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = w.contact_id
  join drip_core._sending_windows(v_org, s.channel) as sw on sw.sequence_id = s.sequence_id and sw.version = s.version
  where w.until_day is not null;
end;
$$;

revoke all on function drip_core._cap_contacts(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._cap_contacts(bigint, bigint[]) is
'Of messages about to be claimed those whose contact has had its messages of the day or week, and from when they may go out.';
