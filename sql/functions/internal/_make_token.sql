-- requires: functions/internal/_token_macs.sql, functions/internal/_token_stream.sql, functions/internal/_token_text.sql
-- A token for (organization, enrollment, step): 66 hexadecimal digits, the same for ever. Built like AES-SIV:
-- a 128-bit MAC over the ids, then the ids masked by a keystream made from that MAC. So the token is opaque,
-- cannot be made or changed without the key, needs no row to be resolved, and the tokens of two purposes
-- for the same ids tell nothing of each other. _render_messages makes the same from the same parts, set by set.
-- Purposes: message, link; null for others. Locks: none. Errors: none. Harmless to repeat.
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
  v_mac constant bytea := substr(drip_core._token_macs(
    _make_token.inner_pad, _make_token.outer_pad, _make_token.organization_id, _make_token.enrollment_id, _make_token.step_id
  ), case _make_token.purpose when 'message' then 1 when 'link' then 17 end, 16);
  v_stream constant text := drip_core._token_stream(_make_token.inner_pad, _make_token.outer_pad, v_mac);
begin
  return drip_core._token_text(
    _make_token.key_id, v_mac, v_stream, _make_token.organization_id, _make_token.enrollment_id, _make_token.step_id);
end;
$$;

revoke all on function drip_core._make_token(smallint, bytea, bytea, text, bigint, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._make_token(smallint, bytea, bytea, text, bigint, bigint, bigint) is
'Opaque, unforgeable token (66 hex digits, 128-bit MAC) for a message; ids up to 2^40 (organization, step) and 2^48 (enrollment).';
