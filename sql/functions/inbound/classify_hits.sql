-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_judge_hits.sql
-- Judges the opens and clicks of an organization anew since an instant (null: all that are kept), after the rules (for one,
-- drip_core.machine_agents) have changed: up to 10,000 messages per call, those hit last first. Returns how many verdicts changed.
-- Locks: the hits, message by message. Errors: PT403, PT404. A repeat changes nothing.
create or replace function drip.classify_hits(organization_id bigint, since timestamptz default null)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_row record;
  v_changed int := 0;
begin
  perform drip_core._require_served_organization(classify_hits.organization_id, 'classify_hits');
  for v_row in
    select h.enrollment_id, h.step_id
    from drip_core.tracking_hits as h
    where h.organization_id = classify_hits.organization_id
    group by h.enrollment_id, h.step_id
    having max(h.occurred_at) >= coalesce(classify_hits.since, '-infinity')
    order by max(h.id) desc
    limit 10000
  loop
    v_changed := v_changed + drip_core._judge_hits(classify_hits.organization_id, v_row.enrollment_id, v_row.step_id);
  end loop;
  return v_changed;
end;
$$;

revoke all on function drip.classify_hits(bigint, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.classify_hits(bigint, timestamptz) to drip_app, drip_runner;
comment on function drip.classify_hits(bigint, timestamptz) is
'Judges the opens and clicks since an instant anew (person or machine); returns how many verdicts changed. Errors: PT403, PT404.';
