-- The profile that the caller claims to be: the `sub` of request.jwt.claims. Nothing is checked; reads no table.
-- Locks: none. Errors: PT422 for claims that are no JSON object or a sub that is no uuid. Harmless to repeat.
create or replace function drip_core._claimed_profile()
returns uuid
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims text := nullif(current_setting('request.jwt.claims', true), '');
begin
  return case when v_claims is not null then (v_claims::jsonb ->> 'sub')::uuid end;
exception
  when invalid_text_representation then
    raise exception 'the setting request.jwt.claims cannot be read'
      using errcode = 'PT422', hint = 'It must be a JSON object whose "sub" is the uuid of a profile.';
end;
$$;

revoke all on function drip_core._claimed_profile() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._claimed_profile() is 'The sub of request.jwt.claims, unchecked; null where there are no claims.';
