-- owner: drip_engine
-- requires: functions/internal/_release_claims.sql
-- Deals with the expired leases of one queue: what was never handed over is due again, what was handed over is held, or
-- due again where the sender resends. The caller holds the lane and applies the counts to it.
-- Locks: the enrollments in id order, skipping locked ones. Errors: none. A repeat finds nothing.
create or replace function drip_core._expire_leases(
  organization_id bigint, channel_account_id bigint, sequence_id bigint, at timestamptz,
  out released int, out held int, out next_expiry timestamptz
)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_ids bigint[];
begin
  select array_agg(x.id)
  into v_ids
  from (
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = _expire_leases.organization_id
      and e.channel_account_id = _expire_leases.channel_account_id
      and e.sequence_id = _expire_leases.sequence_id
      and e.status = 'active'
      and e.next_step_at <= _expire_leases.at
      and e.lease_expires_at <= _expire_leases.at
    order by e.id
    limit 1000
    for no key update skip locked
  ) as x;
  select r.released, r.held
  into released, held
  from drip_core._release_claims(_expire_leases.organization_id, v_ids, _expire_leases.at) as r;

  select min(e.lease_expires_at)
  into next_expiry
  from drip_core.enrollments as e
  where e.organization_id = _expire_leases.organization_id
    and e.channel_account_id = _expire_leases.channel_account_id
    and e.sequence_id = _expire_leases.sequence_id
    and e.status = 'active'
    and e.next_step_at <= _expire_leases.at
    and e.lease_expires_at is not null;
end;
$$;

revoke all on function drip_core._expire_leases(bigint, bigint, bigint, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._expire_leases(bigint, bigint, bigint, timestamptz) is
'Releases or holds the expired leases of a queue; counts for the lane, and when the next one expires.';
