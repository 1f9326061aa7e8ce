-- owner: drip_engine
-- Books claims that ended without a settlement: each entry of `released` gives one reservation of its lane back, each of
-- `held` turns one from in flight to held. Where a message may have left at the last moment of its lease, the gap of
-- its lane starts anew (may_have_left).
-- Locks: the lanes in id order. Errors: none. Not to be repeated.
create or replace function drip_core._return_capacity(organization_id bigint, released bigint[], held bigint[], may_have_left boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _return_capacity.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_random constant double precision := random();
begin
  perform
  from drip_core.lanes as l
  where l.organization_id = v_org and l.channel_account_id = any (_return_capacity.released || _return_capacity.held)
  order by l.channel_account_id
  for no key update;
  update drip_core.lanes as l
  set
    used = l.used - u.released,
    leased = l.leased - u.released - u.held,
    held = l.held + u.held,
    next_slot_at = greatest(l.next_slot_at, u.gap_until),
    slot_reason = case when u.gap_until > l.next_slot_at or l.next_slot_at is null then coalesce(u.gap_reason, l.slot_reason) else l.slot_reason end,
    ready_at = greatest(least(l.ready_at, v_now), l.next_slot_at, u.gap_until)
  from (
    select
      x.id,
      count(*) filter (where not x.is_held)::int as released,
      count(*) filter (where x.is_held)::int as held,
      case when _return_capacity.may_have_left then v_now + a.min_gap + v_random * (a.max_gap - a.min_gap) end as gap_until,
      case when _return_capacity.may_have_left and a.min_gap is not null then 'pacing'::drip.reason end as gap_reason
    from (
      select r.id, false as is_held from unnest(_return_capacity.released) as r (id)
      union all
      select h.id, true from unnest(_return_capacity.held) as h (id)
    ) as x
    join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = x.id
    group by x.id, a.min_gap, a.max_gap
  ) as u
  where l.organization_id = v_org and l.channel_account_id = u.id;
end;
$$;

revoke all on function drip_core._return_capacity(bigint, bigint[], bigint[], boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._return_capacity(bigint, bigint[], bigint[], boolean) is 'Books released and held claims on their lanes.';
