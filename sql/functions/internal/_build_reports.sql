-- owner: drip_engine
-- requires: functions/internal/_rebuild_reports.sql
-- Counts an organization whose facts are older than the counts of the reports; returns how many are left to do, at most one.
-- Locks: the rows of the organization in report_builds and organizations with skip locked, then those of _rebuild_reports, whom nobody waits for.
-- Errors: none. A repeat goes on with the next.
create or replace function drip_core._build_reports(allowed bigint[])
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org bigint;
begin
  select b.organization_id into v_org
  from drip_core.report_builds as b
  join drip_core.organizations as o on o.id = b.organization_id
  where _build_reports.allowed is null or b.organization_id = any (_build_reports.allowed)
  order by b.organization_id
  limit 1
  for no key update skip locked;
  if v_org is null then
    return 0;
  end if;
  perform drip_core._rebuild_reports(v_org, null);
  delete from drip_core.report_builds as b where b.organization_id = v_org;
  return 1;
end;
$$;

revoke all on function drip_core._build_reports(bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._build_reports(bigint[]) is 'Counts one organization from before there were counts; returns how many.';
