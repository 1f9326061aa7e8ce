-- requires: functions/internal/_choose_sender.sql, functions/internal/_sender_candidates.sql
-- What migrating to a version means for each open enrollment of a sequence that follows another one: the step with the same
-- key, its senders and its lane. to_step_id is null where it stays: in flight, held, no step with its key, or a step still
-- ahead of it there has a key that this entry was already sent (it would be a second copy).
-- Senders are for life: one for a channel of the new version in its order, those chosen before first; then those of channels
-- that the version does not have, in case a later one has them again.
-- An entry of drip.retry_failed goes on where another one failed: what that one was sent counts.
-- Reads only. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._plan_migration(organization_id bigint, sequence_id bigint, to_version int)
returns table (
  enrollment_id bigint, from_version int, from_step_key text, from_step_no int, to_step_id bigint, channel drip.channel,
  is_same_channel boolean, sender_ids bigint[], channel_account_id bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
-- whatever the statistics and the caller say: looked up by key, and not compiled at the price of a disabled node
set enable_seqscan = off
set jit = off
set enable_nestloop = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _plan_migration.organization_id;
  v_sequence constant bigint := _plan_migration.sequence_id;
  v_channels drip.channel[];
begin
  select v.channels
  into v_channels
  from drip_core.sequence_versions as v
  where v.organization_id = v_org and v.sequence_id = v_sequence and v.version = _plan_migration.to_version;

  return query
  with steps as materialized (
    select
      f.id,
      f.version,
      f.key,
      f.step_no,
      t.id as to_id,
      t.step_no as to_step_no,
      t.channel,
      t.channel_no,
      t.channel = f.channel as is_same_channel,
      v.channels = v_channels as has_same_channels
    from drip_core.steps as f
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = v_sequence and v.version = f.version
    left join drip_core.steps as t
      on t.organization_id = v_org and t.sequence_id = v_sequence and t.version = _plan_migration.to_version and t.key = f.key
    where f.organization_id = v_org and f.sequence_id = v_sequence and f.version <> _plan_migration.to_version
  ),

  target_steps as materialized (
    select t.key, t.step_no
    from drip_core.steps as t
    where t.organization_id = v_org and t.sequence_id = v_sequence and t.version = _plan_migration.to_version
  ),

  candidates as materialized (
    select n.channel, n.channel_no, n.account_ids, n.upper_ends
    from drip_core._sender_candidates(v_org, v_sequence, _plan_migration.to_version) as n
  )

  select
    e.id,
    s.version,
    s.key,
    s.step_no,
    case when movable.is_movable then s.to_id end,
    s.channel,
    s.is_same_channel,
    senders.ids,
    senders.ids[s.channel_no]
  from drip_core.enrollments as e
  join steps as s on s.id = e.step_id
  -- offset 0, limit: looked up for each by its key: where statistics promise one row, a part of the key would do
  left join lateral (
    select true as is_repeated
    from unnest(case when e.source <> 'retry_failed' then array[e.id] else array(
      select x.id
      from drip_core.enrollments as x
      where x.organization_id = v_org and x.contact_id = e.contact_id and x.sequence_id = v_sequence and x.entry_no <= e.entry_no
        and x.entry_no >= (
          select coalesce(max(y.entry_no), 1)
          from drip_core.enrollments as y
          where y.organization_id = v_org and y.contact_id = e.contact_id and y.sequence_id = v_sequence
            and y.entry_no <= e.entry_no and y.source <> 'retry_failed'
        )
    ) end) as k (id)
    cross join lateral (
      select m.step_id
      from drip_core.messages as m
      where m.organization_id = v_org and m.enrollment_id = k.id and m.status = 'sent'
      offset 0
    ) as m
    cross join lateral (
      select x.key
      from drip_core.steps as x
      where x.organization_id = v_org and x.id = m.step_id
      offset 0
    ) as ms
    join target_steps as ts on ts.key = ms.key and ts.step_no >= s.to_step_no
    limit 1
  ) as sent on s.to_id is not null and e.claim_token is null
  cross join lateral (select s.to_id is not null and e.claim_token is null and sent.is_repeated is null as is_movable) as movable
  left join lateral (
    select array_agg(k.id order by k.ordinal) as ids, array_agg(a.channel order by k.ordinal) as channels
    from unnest(e.sender_ids) with ordinality as k (id, ordinal)
    cross join lateral (
      select c.channel
      from drip_core.channel_accounts as c
      where c.organization_id = v_org and c.id = k.id
      offset 0
    ) as a
  ) as olds on movable.is_movable and not s.has_same_channels
  left join lateral (
    select case when s.has_same_channels then e.sender_ids else array(
      select coalesce(
        (select k.id from unnest(olds.ids, olds.channels) as k (id, channel) where k.channel = n.channel),
        drip_core._choose_sender(e.contact_id, v_sequence, e.entry_no, n.channel_no, n.account_ids, n.upper_ends)
      )
      from candidates as n
      order by n.channel_no
    ) || array(
      select k.id
      from unnest(olds.ids, olds.channels) with ordinality as k (id, channel, ordinal)
      where k.channel <> all (v_channels)
      order by k.ordinal
    ) end as ids
  ) as senders on movable.is_movable
  where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused');
end;
$$;

revoke all on function drip_core._plan_migration(bigint, bigint, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._plan_migration(bigint, bigint, int) is
'What migrating to a version means for each open enrollment of a sequence that follows another one; to_step_id is null where it stays.';
