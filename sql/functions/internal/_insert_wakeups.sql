-- Tells lanes that a sequence has work due at an instant they may not know of. Insert-only: no lane is locked.
-- Locks: none. Errors: none. A repeat costs one early visit.
create or replace function drip_core._insert_wakeups(organization_id bigint, channel_account_ids bigint[], sequence_id bigint, due_at timestamptz)
returns void
language sql
volatile
begin atomic
  insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
  select
    _insert_wakeups.organization_id,
    a.id,
    _insert_wakeups.sequence_id,
    _insert_wakeups.due_at
  from unnest(_insert_wakeups.channel_account_ids) as a (id);
end;

revoke all on function drip_core._insert_wakeups(bigint, bigint[], bigint, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._insert_wakeups(bigint, bigint[], bigint, timestamptz) is 'Tells lanes of work of a sequence that is due at an instant.';
