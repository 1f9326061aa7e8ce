-- owner: drip_engine
-- The shadow organization of the simulation that this transaction is in; null outside of one, at next to no cost.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._simulated_organization()
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  if coalesce(current_setting('drip.simulation', true), '') = '' then
    return null;
  end if;
  return (select s.organization_id from drip_core.simulations as s where s.token::text = current_setting('drip.simulation', true));
end;
$$;

revoke all on function drip_core._simulated_organization() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._simulated_organization() to drip_owner;
comment on function drip_core._simulated_organization() is 'The shadow organization of the simulation that this transaction is in, else null.';
