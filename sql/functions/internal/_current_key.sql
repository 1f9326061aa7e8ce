-- owner: drip_engine
-- The key in use for a purpose: its id and pads. For definer functions of the two owners only.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._current_key(purpose text, out key_id smallint, out inner_pad bytea, out outer_pad bytea)
returns record
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
begin atomic
  select
    k.id,
    k.inner_pad,
    k.outer_pad
  from drip_core.secret_keys as k
  where k.purpose = _current_key.purpose and k.is_current;
end;

revoke all on function drip_core._current_key(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._current_key(text) to drip_owner;
comment on function drip_core._current_key(text) is 'Id and pads of the secret key in use for a purpose (link or address).';
