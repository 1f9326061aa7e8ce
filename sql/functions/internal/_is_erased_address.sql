-- Whether an address was one of a person who was erased: nothing of it is written down again.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_erased_address(organization_id bigint, address_hash bytea)
returns boolean
language sql
stable
begin atomic
  select exists(
    select from drip_core.suppressions as s
    where s.organization_id = _is_erased_address.organization_id and s.address_hash = _is_erased_address.address_hash
      and (s.reason = 'erased' or s.evidence ? 'erased') and s.lifted_at is null
  );
end;

revoke all on function drip_core._is_erased_address(bigint, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._is_erased_address(bigint, bytea) is 'Whether an address was one of a person who was erased.';
