-- The MACs of the two tokens of a message (see _make_token): 16 bytes for the message token, then 16 for the link token.
-- A key of 32-byte halves (the first for MACs, the second for the keystream): SHA-256 over half and ids, which are always
-- 16 bytes and fit with it into one block. So there is nothing to extend, and the two halves of a digest say nothing of each
-- other. A key of 64-byte pads, as the first version made them: HMAC-SHA256 over the purpose and the ids, each truncated.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._token_macs(
  inner_pad bytea, outer_pad bytea, organization_id bigint, enrollment_id bigint, step_id bigint
)
returns bytea
language sql
immutable
parallel safe
return case octet_length(inner_pad)
  when 32
    then sha256(
        inner_pad || int8send((organization_id << 24) | (enrollment_id >> 24)) || int8send(((enrollment_id & 16777215) << 40) | step_id)
      )
  else
    substr(sha256(outer_pad || sha256(
      inner_pad || 'message'::bytea
      || int8send((organization_id << 24) | (enrollment_id >> 24))
      || int8send(((enrollment_id & 16777215) << 40) | step_id)
    )), 1, 16)
    || substr(sha256(outer_pad || sha256(
      inner_pad || 'link'::bytea
      || int8send((organization_id << 24) | (enrollment_id >> 24))
      || int8send(((enrollment_id & 16777215) << 40) | step_id)
    )), 1, 16)
end;

revoke all on function drip_core._token_macs(bytea, bytea, bigint, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._token_macs(bytea, bytea, bigint, bigint, bigint) is
'The 128-bit MACs of the message token and of the link token over organization, enrollment and step.';
