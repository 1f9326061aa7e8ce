-- requires: functions/internal/_simulated_organization.sql
-- Keeps the lifecycle of enrollments: an enrollment starts active, changes its status only as status_transitions says,
-- and every change writes its event in the same statement. Statement triggers with transition tables: the price of a
-- batch, not of a row. A message in flight whose enrollment leaves the due index is noted in detached_claims, so that
-- the expiry of its lease is still found.
create or replace function drip_core._enrollments_inserted()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  v_bad text;
begin
  -- the copies of drip.simulate have begun long ago
  if drip_core._simulated_organization() is not null then
    return null;
  end if;
  select format('enrollment %s starts as %s', n.id, n.status) into v_bad from new_rows as n where n.status <> 'active' limit 1;
  if v_bad is not null then
    raise exception 'an enrollment starts as active'
      using errcode = 'PT409', detail = v_bad, hint = 'Enroll with drip.enroll and change the status with the API functions.';
  end if;
  insert into drip_core.events (
    organization_id, occurred_at, recorded_at, type, enrollment_id, contact_id, sequence_id, version, step_id, actor_profile_id, data
  )
  select
    n.organization_id, n.enrolled_at, n.enrolled_at, 'enrolled', n.id, n.contact_id, n.sequence_id, n.version, n.step_id, n.enrolled_by,
    jsonb_build_object('source', n.source, 'entry_no', n.entry_no)
  from new_rows as n;
  insert into drip_core.report_deltas (organization_id, sequence_id, version, cohort_day, day, enrolled, active)
  select n.organization_id, n.sequence_id, n.version, d.day, d.day, count(*), count(*)
  from new_rows as n
  join drip_core.organizations as o on o.id = n.organization_id
  cross join lateral (select (n.enrolled_at at time zone o.timezone)::date as day) as d
  group by 1, 2, 3, 4;
  return null;
end;
$$;

create or replace function drip_core._enrollments_updated()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
-- the plan is cached from the first, perhaps small, statement: joined row by row a large one would never end
set enable_nestloop = off
-- and what has no other way seems to cost so much that it would be compiled, for most of a second
set jit = off
as $$
declare
  v_bad text;
  v_profile uuid;
begin
  if not exists (
    select from new_rows as n
    join old_rows as o on o.organization_id = n.organization_id and o.id = n.id
    where o.status <> n.status
  ) then
    return null;
  end if;

  select format('enrollment %s: %s to %s', n.id, o.status, n.status)
  into v_bad
  from new_rows as n
  join old_rows as o on o.organization_id = n.organization_id and o.id = n.id
  where o.status <> n.status
    and not exists (select from drip_core.status_transitions as t where t.from_status = o.status and t.to_status = n.status)
  limit 1;
  if v_bad is not null then
    raise exception 'illegal change of an enrollment''s status'
      using errcode = 'PT409', detail = v_bad, hint = 'A terminal enrollment stays as it is; re-entry is a new enrollment.';
  end if;

  v_profile := drip_core.current_profile();
  insert into drip_core.events (
    organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id,
    channel_account_id, actor_profile_id, data
  )
  select
    n.organization_id, n.status_changed_at, n.status_changed_at, t.event_type, n.status_reason, n.id, n.contact_id, n.sequence_id,
    n.version,
    -- of an unsubscribe: the step of the message that it answers
    coalesce(case when n.status_cause ->> 'enrollment_id' = n.id::text then (n.status_cause ->> 'step_id')::bigint end, n.step_id, o.step_id),
    coalesce(n.channel_account_id, o.channel_account_id), v_profile,
    case
      when n.status_note is not null or n.status_cause is not null
        then coalesce(n.status_cause, '{}') || jsonb_strip_nulls(jsonb_build_object('note', n.status_note))
    end
  from new_rows as n
  join old_rows as o on o.organization_id = n.organization_id and o.id = n.id
  join drip_core.status_transitions as t on t.from_status = o.status and t.to_status = n.status
  order by n.id;

  -- what the reports count: one less of what it was, one more of what it is
  insert into drip_core.report_deltas (
    organization_id, sequence_id, version, cohort_day, day, active, paused, completed, failed, exited, removed, bounced, unsubscribed
  )
  select
    n.organization_id, n.sequence_id, n.version, (n.enrolled_at at time zone g.timezone)::date, (n.status_changed_at at time zone g.timezone)::date,
    count(*) filter (where n.status = 'active') - count(*) filter (where o.status = 'active'),
    count(*) filter (where n.status = 'paused') - count(*) filter (where o.status = 'paused'),
    count(*) filter (where n.status = 'completed'),
    count(*) filter (where n.status = 'failed'),
    count(*) filter (where n.status = 'exited'),
    count(*) filter (where n.status = 'removed'),
    count(*) filter (where n.status = 'bounced'),
    count(*) filter (where n.status = 'unsubscribed')
  from new_rows as n
  join old_rows as o on o.organization_id = n.organization_id and o.id = n.id
  join drip_core.organizations as g on g.id = n.organization_id
  where o.status <> n.status
  group by 1, 2, 3, 4, 5;

  insert into drip_core.detached_claims (organization_id, enrollment_id, channel_account_id, claim_token, lease_expires_at)
  select n.organization_id, n.id, n.channel_account_id, n.claim_token, n.lease_expires_at
  from new_rows as n
  join old_rows as o on o.organization_id = n.organization_id and o.id = n.id
  where o.status = 'active' and n.status <> 'active' and n.lease_expires_at is not null
  on conflict do nothing;
  return null;
end;
$$;

create or replace trigger enrollments_start_as_active
after insert on drip_core.enrollments
referencing new table as new_rows
for each statement execute function drip_core._enrollments_inserted();

create or replace trigger enrollments_change_as_listed
after update on drip_core.enrollments
referencing old table as old_rows new table as new_rows
for each statement execute function drip_core._enrollments_updated();

revoke all on function drip_core._enrollments_inserted() from public, drip_app, drip_runner, drip_public, drip_analyst;
revoke all on function drip_core._enrollments_updated() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._enrollments_inserted() is 'Trigger: an enrollment starts active and writes its event.';
comment on function drip_core._enrollments_updated() is 'Trigger: the status changes as status_transitions says and writes its event.';
comment on trigger enrollments_start_as_active on drip_core.enrollments is 'A new enrollment is active and has its enrolled event.';
comment on trigger enrollments_change_as_listed on drip_core.enrollments is 'Only listed status changes, each with its event.';
