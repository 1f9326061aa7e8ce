-- A token from its parts: key id, MAC, and the ids masked by the keystream.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._token_text(
  key_id smallint, mac bytea, stream text, organization_id bigint, enrollment_id bigint, step_id bigint
)
returns text
language sql
immutable
parallel safe
return lpad(to_hex(key_id::int), 2, '0') || encode(
  mac
  || int8send(int8xor((organization_id << 24) | (enrollment_id >> 24), ('x' || substr(stream, 1, 16))::bit(64)::bigint))
  || int8send(int8xor(((enrollment_id & 16777215) << 40) | step_id, ('x' || substr(stream, 17, 16))::bit(64)::bigint)), 'hex'
);

revoke all on function drip_core._token_text(smallint, bytea, text, bigint, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._token_text(smallint, bytea, text, bigint, bigint, bigint) is 'A token from its parts.';
