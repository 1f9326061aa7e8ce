-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql
-- The first statement of an API function that changes something: its caller may (_require_permission), and the call is in the
-- audit trail. What fails later takes the entry with it.
-- Locks: none. Errors: PT403, PT404. Each call is an entry.
create or replace function drip_core._authorize(organization_id bigint, permission text, arguments jsonb default '{}')
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform drip_core._require_permission(_authorize.organization_id, _authorize.permission);
  perform drip_core._audit(_authorize.organization_id, _authorize.permission, _authorize.arguments);
end;
$$;

revoke all on function drip_core._authorize(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._authorize(bigint, text, jsonb) is 'Refuses a caller that may not, and writes the call into the audit trail.';
