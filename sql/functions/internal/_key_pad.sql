-- One pad of an HMAC-SHA256 key: the key (hashed when longer than a block) filled to 64 bytes and masked.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._key_pad(key bytea, mask int)
returns bytea
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key bytea := case when octet_length(_key_pad.key) > 64 then sha256(_key_pad.key) else _key_pad.key end;
  v_pad bytea := decode(repeat(lpad(to_hex(_key_pad.mask), 2, '0'), 64), 'hex');
begin
  for v_i in 0 .. octet_length(v_key) - 1 loop
    v_pad := set_byte(v_pad, v_i, get_byte(v_key, v_i) # _key_pad.mask);
  end loop;
  return v_pad;
end;
$$;

revoke all on function drip_core._key_pad(bytea, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._key_pad(bytea, int) is 'The inner (mask 0x36) or outer (mask 0x5c) pad of an HMAC-SHA256 key.';
