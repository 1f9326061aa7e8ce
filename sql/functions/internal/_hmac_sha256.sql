-- HMAC-SHA256 (RFC 2104) from ready-made pads, on the core's sha256(): no extension needed.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._hmac_sha256(inner_pad bytea, outer_pad bytea, message bytea)
returns bytea
language sql
immutable
strict
parallel safe
return sha256(outer_pad || sha256(inner_pad || message));

revoke all on function drip_core._hmac_sha256(bytea, bytea, bytea) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._hmac_sha256(bytea, bytea, bytea) is 'HMAC-SHA256 of a message, from the two pads of the key.';
