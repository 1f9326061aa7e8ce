-- requires: functions/internal/_hash_address.sql
-- Makes whoever stores one of these contacts by its address wait for the end of this transaction, so that two imports of one new
-- person store one contact. Rows are written and taken away again at once: a rival that comes to the same key waits all the
-- same. No advisory lock, which any login may hold. Returns the hashes of the addresses; a contact with an external_id has none.
-- Locks: the addresses in the order of their hashes; to be called before any contact is locked. Errors: none. A repeat changes nothing.
create or replace function drip_core._lock_addresses(organization_id bigint, contacts jsonb)
returns bytea[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  v_hashes constant bytea[] := array(
    select distinct coalesce(
      drip_core._hash_address('email', nullif(btrim(c.value ->> 'email'), '')),
      drip_core._hash_address('whatsapp_cloud', nullif(drip_core._normalise_phone(c.value ->> 'phone'), ''))) as address_hash
    from jsonb_array_elements(_lock_addresses.contacts) as c
    where c.value ->> 'external_id' is null and coalesce(c.value ->> 'email', c.value ->> 'phone') is not null
    order by address_hash
  );
begin
  insert into drip_core.address_locks (organization_id, address_hash)
  select _lock_addresses.organization_id, h.address_hash
  from unnest(v_hashes) with ordinality as h (address_hash, ordinal)
  where h.address_hash is not null
  order by h.ordinal
  on conflict on constraint address_locks_pkey do nothing;
  delete from drip_core.address_locks as k
  where k.organization_id = _lock_addresses.organization_id and k.address_hash = any (v_hashes);
  return v_hashes;
end;
$$;

revoke all on function drip_core._lock_addresses(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._lock_addresses(bigint, jsonb) is
'Makes others that store these contacts by their addresses wait for the end of the transaction; returns the hashes of the addresses.';
