-- owner: drip_engine
-- Stores a profile id where it is new. Profiles belong to no organization, so the API's owner cannot.
-- Locks: none. Errors: none. A repeat changes nothing.
create or replace function drip_core._ensure_profile(profile_id uuid)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
begin atomic
  insert into drip_core.profiles (id) values (_ensure_profile.profile_id) on conflict do nothing;
end;

revoke all on function drip_core._ensure_profile(uuid) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._ensure_profile(uuid) to drip_owner;
comment on function drip_core._ensure_profile(uuid) is 'Stores a profile id where it is new.';
