-- owner: drip_engine
-- Whether the caller's login is bound to organizations (drip_core.login_organizations). Such a login has SQL of its own and
-- writes request.jwt.claims itself: what they say may narrow what it may do, and nothing else.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_bound_login()
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  return exists (select from drip_core.login_organizations as lo where lo.login = session_user);
end;
$$;

revoke all on function drip_core._is_bound_login() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._is_bound_login() to drip_owner;
comment on function drip_core._is_bound_login() is
'Whether the caller''s login is bound to organizations, so that it writes its claims itself.';
