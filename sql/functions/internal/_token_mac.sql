-- The MAC of a token (see _make_token): 16 bytes of HMAC-SHA256 over the purpose and the ids.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._token_mac(
  inner_pad bytea, outer_pad bytea, purpose bytea, organization_id bigint, enrollment_id bigint, step_id bigint
)
returns bytea
language sql
immutable
parallel safe
return substr(sha256(outer_pad || sha256(
  inner_pad || purpose
  || int8send((organization_id << 24) | (enrollment_id >> 24))
  || int8send(((enrollment_id & 16777215) << 40) | step_id)
)), 1, 16);

revoke all on function drip_core._token_mac(bytea, bytea, bytea, bigint, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._token_mac(bytea, bytea, bytea, bigint, bigint, bigint) is
'The 128-bit MAC of a token over purpose, organization, enrollment and step.';
