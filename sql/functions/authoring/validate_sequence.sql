-- requires: functions/internal/_require_permission.sql, functions/internal/_check_definition.sql
-- The problems of a sequence definition; no rows: it can be published. Writes nothing.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.validate_sequence(organization_id bigint, definition jsonb)
returns table (path text, code text, message text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._require_permission(validate_sequence.organization_id, 'validate_sequence');
  return query
  select p.path, p.code, p.message
  from drip_core._check_definition(validate_sequence.organization_id, validate_sequence.definition) as p;
end;
$$;

revoke all on function drip.validate_sequence(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.validate_sequence(bigint, jsonb) to drip_app;
comment on function drip.validate_sequence(bigint, jsonb) is
'Problems of a sequence definition: path, code, message; no rows when it can be published. Errors: PT403, PT404.';
