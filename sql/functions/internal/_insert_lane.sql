-- Gives an account its lane, and a lane that exists one visit: limits, gaps or time zone may have changed.
-- Locks: the lane. Errors: none. A repeat changes nothing but the time of the next visit.
create or replace function drip_core._insert_lane(organization_id bigint, channel_account_id bigint)
returns void
language sql
volatile
begin atomic
  insert into drip_core.lanes (organization_id, channel_account_id)
  values (_insert_lane.organization_id, _insert_lane.channel_account_id)
  on conflict on constraint lanes_pkey do update
    set ready_at = '-infinity';
end;

revoke all on function drip_core._insert_lane(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._insert_lane(bigint, bigint) is 'Gives an account its lane, or the existing lane an early visit.';
