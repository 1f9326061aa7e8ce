-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql, functions/internal/_rebuild_reports.sql
-- Repairs the counts that the reports are read from: counts everything anew that has a day from the given one on (by default
-- all), of one organization or of all that the caller works for, and corrects what differs. Exact whatever is written meanwhile.
-- Days whose events are gone keep what was counted from them. Reads whole tables: for repairs, not for every day.
-- Locks: another rebuild of the organization waits. Errors: PT404. A repeat changes nothing and returns 0.
create or replace function drip.rebuild_rollups("from" date default null, organization_id bigint default null)
returns bigint
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
  with allowed as materialized (
    select drip_core._allowed_organizations(rebuild_rollups.organization_id) as ids
  ),

  served as materialized (
    select o.id
    from allowed as a
    join drip_core.organizations as o on a.ids is null or o.id = any (a.ids)
    order by o.id
  )

  select coalesce(sum(drip_core._rebuild_reports(s.id, rebuild_rollups."from")), 0)::bigint from served as s;
$$;

revoke all on function drip.rebuild_rollups(date, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.rebuild_rollups(date, bigint) to drip_runner;
comment on function drip.rebuild_rollups(date, bigint) is
'Counts what the reports show anew from a local day on (null: all), for one organization or all; returns how many counts were corrected. Errors: PT404.';
