-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/internal/_rebuild_reports.sql
-- Repairs the counts that the reports are read from: counts everything anew that has a day from the given one on (by default
-- all), of one organization or of all that the caller works for, and corrects what differs. Exact whatever is written meanwhile.
-- Days whose events are gone keep what was counted from them. Reads whole tables: for repairs, not for every day.
-- Locks: another rebuild of the organization waits. Errors: PT404. A repeat changes nothing and returns 0.
create or replace function drip.rebuild_rollups("from" date default null, organization_id bigint default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_allowed constant bigint[] := drip_core._allowed_organizations(rebuild_rollups.organization_id);
  v_org bigint;
  v_corrected bigint := 0;
begin
  for v_org in
    select o.id from drip_core.organizations as o where v_allowed is null or o.id = any (v_allowed) order by o.id
  loop
    v_corrected := v_corrected + drip_core._rebuild_reports(v_org, rebuild_rollups."from");
  end loop;
  return v_corrected;
end;
$$;

revoke all on function drip.rebuild_rollups(date, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.rebuild_rollups(date, bigint) to drip_runner;
comment on function drip.rebuild_rollups(date, bigint) is
'Counts what the reports show anew from a local day on (null: all), for one organization or all; returns how many counts were corrected. Errors: PT404.';
