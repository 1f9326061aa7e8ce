-- requires: functions/internal/current_profile.sql
-- Writes who called an API function about what into the audit trail, in the transaction of the call. The arguments are ids,
-- keys and counts, never names, addresses or words of people: what is written here is never erased. Nulls are left out.
-- Locks: none. Errors: none. Each call is an entry.
create or replace function drip_core._audit(organization_id bigint, function_name text, arguments jsonb default '{}')
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into drip_core.audit_entries (organization_id, occurred_at, function_name, login, profile_id, arguments)
  values (
    _audit.organization_id, drip_core.now(), _audit.function_name, session_user, drip_core.current_profile(), jsonb_strip_nulls(_audit.arguments)
  );
end;
$$;

revoke all on function drip_core._audit(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._audit(bigint, text, jsonb) is 'Writes who called an API function about what into the audit trail.';
