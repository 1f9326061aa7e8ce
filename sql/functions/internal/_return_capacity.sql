-- owner: drip_engine
-- Books claims that ended without a settlement: each entry of `released` gives one reservation of its lane back, each of
-- `held` turns one from in flight to held.
-- Locks: the lanes in id order. Errors: none. Not to be repeated.
create or replace function drip_core._return_capacity(organization_id bigint, released bigint[], held bigint[])
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_org constant bigint := _return_capacity.organization_id;
  v_now constant timestamptz := drip_core.now();
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
    ready_at = least(l.ready_at, greatest(v_now, l.next_slot_at))
  from (
    select x.id, count(*) filter (where not x.is_held)::int as released, count(*) filter (where x.is_held)::int as held
    from (
      select r.id, false as is_held from unnest(_return_capacity.released) as r (id)
      union all
      select h.id, true from unnest(_return_capacity.held) as h (id)
    ) as x
    group by x.id
  ) as u
  where l.organization_id = v_org and l.channel_account_id = u.id;
end;
$$;

revoke all on function drip_core._return_capacity(bigint, bigint[], bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._return_capacity(bigint, bigint[], bigint[]) is 'Books released and held claims on their lanes.';
