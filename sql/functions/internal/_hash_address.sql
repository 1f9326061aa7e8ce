-- requires: functions/internal/_hmac_sha256.sql, functions/internal/_current_key.sql, functions/internal/_normalise_email.sql, functions/internal/_normalise_phone.sql
-- Keyed hash of an address: what a suppression keeps of a person. Email and phone never collide.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._hash_address(channel drip.channel, address text)
returns bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
begin
  if _hash_address.address is null then
    return null;
  end if;
  select k.inner_pad, k.outer_pad into v_key from drip_core._current_key('address') as k;
  return drip_core._hmac_sha256(v_key.inner_pad, v_key.outer_pad, convert_to(
    case _hash_address.channel
      when 'email' then 'email:' || drip_core._normalise_email(_hash_address.address)
      else 'phone:' || drip_core._normalise_phone(_hash_address.address)
    end, 'UTF8'));
end;
$$;

revoke all on function drip_core._hash_address(drip.channel, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._hash_address(drip.channel, text) is 'Keyed hash of the normalised address; both WhatsApp channels share the hash of the number.';
