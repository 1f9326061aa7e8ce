-- owner: drip_engine
-- The clock of a simulation: the setting drip.now, where the setting drip.simulation names the simulation of this very
-- transaction; else that of the server. Nobody but drip.simulate can make such a row, and it rolls it back.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._simulated_now()
returns timestamptz
language sql
volatile
security definer
parallel safe
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
begin atomic
  select coalesce(
    (
      select current_setting('drip.now')::timestamptz
      from drip_core.simulations as s
      where s.token::text = current_setting('drip.simulation', true)
    ),
    clock_timestamp()
  );
end;

revoke all on function drip_core._simulated_now() from public, drip_app, drip_runner, drip_public, drip_analyst;
-- whoever may ask drip_core.now() asks this with it
grant execute on function drip_core._simulated_now() to drip_owner, drip_analyst;
comment on function drip_core._simulated_now() is 'The clock of a simulation inside the transaction of drip.simulate; the clock of the server to everybody else.';
