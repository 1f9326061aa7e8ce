-- owner: drip_engine
-- requires: functions/internal/_require_lane.sql, functions/internal/_audit.sql
-- Lets a paused or blocked sender send again; its gap, limit and a wait asked for by the provider still hold. Its bounce and
-- complaint rates are measured anew from the next hour on.
-- Locks: the lane. Errors: PT403, PT404. A repeat changes nothing.
create or replace function drip.resume_lane(organization_id bigint, channel_account_id bigint)
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
  perform drip_core._require_lane(resume_lane.organization_id, resume_lane.channel_account_id, 'resume_lane');
  perform drip_core._audit(resume_lane.organization_id, 'resume_lane', jsonb_build_object('channel_account_id', resume_lane.channel_account_id));
  update drip_core.lanes as l
  set status = 'active', reason = null, detail = null, status_changed_at = v_now, ready_at = '-infinity', guarded_from = v_now,
    resumes_on_connect = false
  where l.organization_id = resume_lane.organization_id and l.channel_account_id = resume_lane.channel_account_id
    and l.status <> 'active';
end;
$$;

revoke all on function drip.resume_lane(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.resume_lane(bigint, bigint) to drip_app, drip_runner;
comment on function drip.resume_lane(bigint, bigint) is 'Lets a paused or blocked sender send again. Errors: PT403, PT404.';
