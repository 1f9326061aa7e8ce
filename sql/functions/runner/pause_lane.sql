-- owner: drip_engine
-- requires: functions/internal/_require_lane.sql, functions/internal/_audit.sql
-- Stops a sender: nothing is claimed for it, its enrollments wait unharmed; what is in flight is still settled.
-- Locks: the lane. Errors: PT403, PT404. A repeat changes nothing.
create or replace function drip.pause_lane(organization_id bigint, channel_account_id bigint, reason text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_now constant timestamptz := drip_core.now();
begin
  perform drip_core._require_lane(pause_lane.organization_id, pause_lane.channel_account_id, 'pause_lane');
  perform drip_core._audit(pause_lane.organization_id, 'pause_lane', jsonb_build_object('channel_account_id', pause_lane.channel_account_id));
  update drip_core.lanes as l
  set status = 'paused', reason = 'sender_paused', detail = left(pause_lane.reason, 500), status_changed_at = v_now
  where l.organization_id = pause_lane.organization_id and l.channel_account_id = pause_lane.channel_account_id
    and l.status <> 'paused';
end;
$$;

revoke all on function drip.pause_lane(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.pause_lane(bigint, bigint, text) to drip_app, drip_runner;
comment on function drip.pause_lane(bigint, bigint, text) is 'Pauses a sender with a reason in free words; its enrollments wait. Errors: PT403, PT404.';
