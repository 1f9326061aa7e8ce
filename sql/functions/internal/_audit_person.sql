-- owner: drip_engine
-- requires: functions/internal/_caller_role.sql, functions/internal/_audit.sql
-- Writes the call of a function that services feed all the time into the audit trail, where it is no service that called: a
-- person by JWT, or a bound login. Arguments as for _audit.
-- Locks: none. Errors: PT422 for claims that cannot be read. Each such call is an entry.
create or replace function drip_core._audit_person(organization_id bigint, function_name text, arguments jsonb default '{}')
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if drip_core._caller_role(_audit_person.organization_id) is not null then
    perform drip_core._audit(_audit_person.organization_id, _audit_person.function_name, _audit_person.arguments);
  end if;
end;
$$;

revoke all on function drip_core._audit_person(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._audit_person(bigint, text, jsonb) is 'Writes a call into the audit trail where a person or a bound login made it.';
