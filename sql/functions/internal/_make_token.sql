-- requires: functions/internal/_hmac_sha256.sql
-- A token for (organization, enrollment, step): 66 hexadecimal digits, the same for ever. Built like AES-SIV:
-- a 128-bit MAC over the ids, then the ids masked by a keystream made from that MAC. So the token is opaque,
-- cannot be made or changed without the key, needs no row to be resolved, and the tokens of two purposes
-- for the same ids tell nothing of each other.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._make_token(
  key_id smallint, inner_pad bytea, outer_pad bytea, purpose text, organization_id bigint, enrollment_id bigint, step_id bigint
)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_hi bigint := (_make_token.organization_id << 24) | (_make_token.enrollment_id >> 24);
  v_lo bigint := ((_make_token.enrollment_id & 16777215) << 40) | _make_token.step_id;
  v_mac bytea := substr(sha256(_make_token.outer_pad || sha256(
    _make_token.inner_pad || convert_to(_make_token.purpose, 'UTF8') || int8send(v_hi) || int8send(v_lo))), 1, 16);
  v_stream text := encode(substr(sha256(_make_token.outer_pad || sha256(
    _make_token.inner_pad || convert_to('stream', 'UTF8') || v_mac)), 1, 16), 'hex');
begin
  return lpad(to_hex(_make_token.key_id::int), 2, '0')
    || encode(v_mac, 'hex')
    || encode(int8send(v_hi # ('x' || left(v_stream, 16))::bit(64)::bigint), 'hex')
    || encode(int8send(v_lo # ('x' || right(v_stream, 16))::bit(64)::bigint), 'hex');
end;
$$;

revoke all on function drip_core._make_token(smallint, bytea, bytea, text, bigint, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._make_token(smallint, bytea, bytea, text, bigint, bigint, bigint) is
'Opaque, unforgeable token (66 hex digits, 128-bit MAC) for a message; ids up to 2^40 (organization, step) and 2^48 (enrollment).';
