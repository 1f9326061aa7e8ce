-- requires: functions/internal/_require_permission.sql
-- Who did what through the API in an organization, newest first, in pages: `before` is the last id seen. A person needs the
-- role admin or owner. Calls that were refused or failed are not in it: they changed nothing.
-- Locks: none. Errors: PT403, PT404, PT422. Harmless to repeat.
create or replace function drip.audit_log(organization_id bigint, before bigint default null, "limit" int default 100)
returns table (entry_id bigint, occurred_at timestamptz, function_name text, login text, profile_id uuid, arguments jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
begin
  perform drip_core._require_permission(audit_log.organization_id, 'audit_log');
  if audit_log."limit" is null or audit_log."limit" not between 1 and 10000 then
    raise exception 'invalid limit'
      using errcode = 'PT422', detail = format('limit: %s', coalesce(audit_log."limit"::text, 'null')), hint = 'Use 1 to 10000.';
  end if;
  return query
  select a.id, a.occurred_at, a.function_name, a.login::text, a.profile_id, a.arguments
  from drip_core.audit_entries as a
  where a.organization_id = audit_log.organization_id and (audit_log.before is null or a.id < audit_log.before)
  order by a.id desc
  limit audit_log."limit";
end;
$$;

revoke all on function drip.audit_log(bigint, bigint, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.audit_log(bigint, bigint, int) to drip_app;
comment on function drip.audit_log(bigint, bigint, int) is
'Who did what through the API, newest first, in pages (before = last id seen): login, profile_id of the person, function_name, arguments (ids, keys and counts). For owners and admins. Errors: PT403, PT404, PT422.';
