-- The installed version of pgdrip, as the last migration recorded it.
-- Locks nothing; no errors; null only while the first installation is under way.

create or replace function drip.version()
returns text
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
  select s.package_version
  from drip_core.migration_state as s
$$;

revoke all on function drip.version() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.version() to drip_app, drip_runner, drip_analyst;
comment on function drip.version() is 'Returns the installed version of pgdrip, for example 0.1.0.';
