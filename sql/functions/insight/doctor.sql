-- owner: drip_engine
-- requires: functions/internal/_check_server.sql, functions/internal/_check_engine.sql
-- Examines the installation: one row per check, with a verdict (ok, warning, problem, unknown) and what to do.
-- Runs as its caller, so that pg_monitor counts; its two halves are executable by the same roles, but lie in a schema that
-- those cannot use: they are reached through here only.
-- Locks: none. Errors: PT422. Harmless to repeat.
create or replace function drip.doctor(deep boolean default false, snapshot_age_limit interval default '5 minutes')
returns table (check_name text, verdict text, detail text, remedy text)
language sql
volatile
set search_path = pg_catalog, pg_temp
begin atomic
  select
    s.check_name,
    s.verdict,
    s.detail,
    s.remedy
  from drip_core._check_server(doctor.snapshot_age_limit) as s
  union all
  select
    e.check_name,
    e.verdict,
    e.detail,
    e.remedy
  from drip_core._check_engine(doctor.deep) as e;
end;

revoke all on function drip.doctor(boolean, interval) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.doctor(boolean, interval) to drip_runner;
comment on function drip.doctor(boolean, interval) is
'Examines the installation: a row per check with verdict (ok, warning, problem, unknown) and remedy. deep: also looks for broken invariants, which reads whole tables. Errors: PT422.';
