-- owner: drip_engine
-- requires: functions/internal/_make_token.sql
-- What a token names; all null for one that was not made here for that purpose. Any key ever used is accepted.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._read_token(
  token text, purpose text, out organization_id bigint, out enrollment_id bigint, out step_id bigint
)
returns record
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_key drip_core.secret_keys;
  v_stream text;
  v_hi bigint;
  v_lo bigint;
begin
  if _read_token.token is null or _read_token.token !~ '^[0-9a-f]{66}$' then
    return;
  end if;
  select k.id, k.purpose, k.inner_pad, k.outer_pad, k.is_current, k.created_at
  into v_key
  from drip_core.secret_keys as k
  where k.purpose = 'link' and k.id = ('x' || left(_read_token.token, 2))::bit(8)::int;
  if not found then
    return;
  end if;
  v_stream := drip_core._token_stream(v_key.inner_pad, v_key.outer_pad, decode(substr(_read_token.token, 3, 32), 'hex'));
  v_hi := ('x' || substr(_read_token.token, 35, 16))::bit(64)::bigint # ('x' || left(v_stream, 16))::bit(64)::bigint;
  v_lo := ('x' || substr(_read_token.token, 51, 16))::bit(64)::bigint # ('x' || right(v_stream, 16))::bit(64)::bigint;
  organization_id := (v_hi >> 24) & 1099511627775;
  enrollment_id := ((v_hi & 16777215) << 24) | ((v_lo >> 40) & 16777215);
  step_id := v_lo & 1099511627775;
  if drip_core._make_token(v_key.id, v_key.inner_pad, v_key.outer_pad, _read_token.purpose, organization_id, enrollment_id, step_id)
    <> _read_token.token
  then
    organization_id := null;
    enrollment_id := null;
    step_id := null;
  end if;
end;
$$;

revoke all on function drip_core._read_token(text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._read_token(text, text) to drip_owner;
comment on function drip_core._read_token(text, text) is 'Organization, enrollment and step that a token names; nulls for a token that was not made here for that purpose.';
