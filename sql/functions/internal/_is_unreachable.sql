-- owner: drip_engine
-- Whether a channel said, within 90 days, that it cannot reach a contact under the address with that hash.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_unreachable(organization_id bigint, contact_id bigint, channel drip.channel, address_hash bytea)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
begin atomic
  select exists(
    select from drip_core.address_checks as k
    where k.organization_id = _is_unreachable.organization_id and k.contact_id = _is_unreachable.contact_id
      and k.channel = _is_unreachable.channel and k.address_hash = _is_unreachable.address_hash and not k.is_reachable
      and k.checked_at > drip_core.now() - interval '2160 hours'
  );
end;

revoke all on function drip_core._is_unreachable(bigint, bigint, drip.channel, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._is_unreachable(bigint, bigint, drip.channel, bytea) to drip_owner;
comment on function drip_core._is_unreachable(bigint, bigint, drip.channel, bytea) is
'Whether a channel said, within 90 days, that it cannot reach a contact under the address with that hash.';
