-- The keystream that masks the ids in a token, made from its MAC: 32 hexadecimal digits. One block of SHA-256 over the second
-- half of the key and the MAC; with a key of 64-byte pads (see _token_macs) HMAC-SHA256.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._token_stream(inner_pad bytea, outer_pad bytea, mac bytea)
returns text
language sql
immutable
parallel safe
return encode(substr(case octet_length(outer_pad)
  when 32 then sha256(outer_pad || mac)
  else sha256(outer_pad || sha256(inner_pad || 'stream'::bytea || mac))
end, 1, 16), 'hex');

revoke all on function drip_core._token_stream(bytea, bytea, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._token_stream(bytea, bytea, bytea) is 'The keystream of a token, from its MAC.';
