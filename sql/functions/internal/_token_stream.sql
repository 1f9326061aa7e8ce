-- The keystream that masks the ids in a token, made from its MAC: 32 hexadecimal digits.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._token_stream(inner_pad bytea, outer_pad bytea, mac bytea)
returns text
language sql
immutable
parallel safe
return encode(substr(sha256(outer_pad || sha256(inner_pad || 'stream'::bytea || mac)), 1, 16), 'hex');

revoke all on function drip_core._token_stream(bytea, bytea, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._token_stream(bytea, bytea, bytea) is 'The keystream of a token, from its MAC.';
