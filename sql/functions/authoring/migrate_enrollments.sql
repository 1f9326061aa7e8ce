-- requires: functions/internal/_plan_migration.sql, functions/internal/_replan_enrollments.sql, functions/internal/_sending_windows.sql, functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_sequence_id.sql
-- Moves the open enrollments of a sequence, active and paused, to a version of it, newer or older: each to the step with
-- the key of the one where it stands. One row per step: to_step is null for those left where they are, because they are in
-- flight or held, because the version has no step with that key, or because a step still ahead there was already sent under
-- another version. A dry run (the default) writes nothing and answers what the call would answer at that moment.
-- Kept: status, next_step_at (moved on where it lies outside the window of the version), the senders chosen before, the cohort (version), and the attempts while the channel is the same;
-- a channel that is new gets a sender as at enrollment. Each one moved has an event `migrated` with from_version, to_version.
-- Locks: the sequence with key share (against archiving: the new queues are open as it is), then the enrollments that can
-- move in id order; a dry run locks nothing. Errors: PT403, PT404, PT409 (archived), PT422. A repeat moves what is left.
create or replace function drip.migrate_enrollments(
  organization_id bigint, sequence_key text, to_version int, dry_run boolean default true
)
returns table (from_step text, to_step text, enrollments bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set plan_cache_mode = force_custom_plan
-- statistics older than an import promise one row: joined row by row a million would never end
set enable_nestloop = off
-- a disabled node makes a plan so dear, before 18, that it would be compiled: seconds for nothing
set jit = off
as $$
#variable_conflict use_column
declare
  v_org constant bigint := migrate_enrollments.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_profile constant uuid := drip_core.current_profile();
  v_sequence bigint;
  v_status drip.sequence_status;
  v_movable bigint[];
  v_locked bigint[];
begin
  perform drip_core._require_permission(v_org, 'migrate_enrollments');
  if migrate_enrollments.dry_run is null then
    raise exception 'invalid dry_run'
      using errcode = 'PT422', detail = 'dry_run: null', hint = 'Use true to look first, false to migrate.';
  end if;
  if not migrate_enrollments.dry_run then
    perform drip_core._audit(v_org, 'migrate_enrollments', jsonb_build_object(
      'sequence_key', migrate_enrollments.sequence_key, 'to_version', migrate_enrollments.to_version));
  end if;
  v_sequence := drip_core._sequence_id(v_org, migrate_enrollments.sequence_key);
  if migrate_enrollments.dry_run then
    select s.status into v_status
    from drip_core.sequences as s
    where s.organization_id = v_org and s.id = v_sequence;
  else
    select s.status into v_status
    from drip_core.sequences as s
    where s.organization_id = v_org and s.id = v_sequence
    for key share;
  end if;
  if not exists (
    select from drip_core.sequence_versions as v
    where v.organization_id = v_org and v.sequence_id = v_sequence and v.version = migrate_enrollments.to_version
  ) then
    raise exception 'version not found'
      using errcode = 'PT404',
        detail = format('sequence_key: %s, version: %s', migrate_enrollments.sequence_key, coalesce(migrate_enrollments.to_version::text, 'null')),
        hint = (
          select format('There are versions %s to %s.', min(v.version), max(v.version))
          from drip_core.sequence_versions as v
          where v.organization_id = v_org and v.sequence_id = v_sequence
        );
  end if;
  if v_status = 'archived' then
    raise exception 'an archived sequence has no open enrollments'
      using errcode = 'PT409', detail = format('sequence_key: %s', migrate_enrollments.sequence_key),
        hint = 'Publish the definition under a new key and enroll there.';
  end if;

  if migrate_enrollments.dry_run then
    return query
    select p.from_step_key, case when p.to_step_id is not null then p.from_step_key end, count(*)
    from drip_core._plan_migration(v_org, v_sequence, migrate_enrollments.to_version) as p
    group by 1, 2
    order by min(min(p.from_step_no)) over (partition by p.from_step_key), 1, 2;
    return;
  end if;

  v_movable := array(
    select f.id
    from drip_core.steps as f
    join drip_core.steps as t
      on t.organization_id = v_org and t.sequence_id = v_sequence and t.version = migrate_enrollments.to_version and t.key = f.key
    where f.organization_id = v_org and f.sequence_id = v_sequence and f.version <> migrate_enrollments.to_version
  );
  v_locked := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused')
      and e.claim_token is null and e.step_id = any (v_movable)
    order by e.id
    for no key update
  );

  return query
  with plan as materialized (
    select
      p.enrollment_id, p.from_version, p.from_step_key, p.from_step_no, p.to_step_id, p.channel, p.is_same_channel, p.sender_ids,
      p.channel_account_id, k.id is not null and p.to_step_id is not null as moves
    from drip_core._plan_migration(v_org, v_sequence, migrate_enrollments.to_version) as p
    -- what came free after the lock was taken is left for the next call
    left join unnest(v_locked) as k (id) on k.id = p.enrollment_id
  ),

  queued as (
    insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open)
    select v_org, a.id, v_sequence, v_status = 'active'
    from (select distinct k.id from plan as p cross join lateral unnest(p.sender_ids) as k (id) where p.moves) as a
    order by a.id
    on conflict do nothing
    returning channel_account_id
  ),

  woken as (
    -- a lane does not know of work that is new to it, nor what its claims passed over while it was locked here
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, p.channel_account_id, v_sequence, min(e.next_step_at)
    from plan as p
    join drip_core.enrollments as e
      on e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused') and e.id = p.enrollment_id
    where p.moves and e.status = 'active'
    group by p.channel_account_id
    returning id
  ),

  moved as (
    update drip_core.enrollments as e
    set
      step_id = p.to_step_id,
      sender_ids = p.sender_ids,
      channel_account_id = p.channel_account_id,
      attempt = case when p.is_same_channel then e.attempt else 0 end,
      planned_from = e.next_step_at,
      is_after_delay = false
    from plan as p
    where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused')
      and e.id = p.enrollment_id and p.moves
    returning e.id, e.contact_id, e.version, e.step_id, p.channel, e.channel_account_id, p.from_version
  ),

  logged as (
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, actor_profile_id, data
    )
    select
      v_org, v_now, v_now, 'migrated', m.id, m.contact_id, v_sequence, m.version, m.step_id, m.channel,
      m.channel_account_id, v_profile, jsonb_build_object('from_version', m.from_version, 'to_version', migrate_enrollments.to_version)
    from moved as m
    order by m.id
  )

  select p.from_step_key, case when p.moves then p.from_step_key end, count(*)
  from plan as p
  group by 1, 2
  order by min(min(p.from_step_no)) over (partition by p.from_step_key), 1, 2;

  if exists (
    select from unnest(enum_range(null::drip.channel)) as c (channel)
    cross join drip_core._sending_windows(v_org, c.channel) as w
    where w.sequence_id = v_sequence and w.version = migrate_enrollments.to_version and cardinality(w.weekdays) > 0
  ) then
    perform drip_core._replan_enrollments(v_org, v_locked);
  end if;
end;
$$;

revoke all on function drip.migrate_enrollments(bigint, text, int, boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.migrate_enrollments(bigint, text, int, boolean) to drip_app;
comment on function drip.migrate_enrollments(bigint, text, int, boolean) is
'Moves open enrollments of a sequence to a version, each to the step with the same key; dry_run (the default) writes nothing and answers the same. to_step null: left where they are (in flight, held, no such step, or a step ahead was already sent). Errors: PT403, PT404, PT409, PT422.';
