-- requires: functions/internal/_authorize.sql, functions/internal/_audited_ids.sql, functions/internal/_change_enrollments.sql
-- The same as drip.pause_enrollment for many: one row each; one that cannot keeps its status, one that is not there has none.
-- Locks: the enrollments in id order. Errors: PT403, PT404 (organization), PT422. A repeat changes nothing.
create or replace function drip.pause_enrollments(organization_id bigint, enrollment_ids bigint[], reason text default null)
returns table (enrollment_id bigint, status drip.enrollment_status, changed boolean)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
begin
  perform drip_core._authorize(pause_enrollments.organization_id, 'pause_enrollments', jsonb_build_object('enrollments', drip_core._audited_ids(pause_enrollments.enrollment_ids)));
  if pause_enrollments.enrollment_ids is null or cardinality(pause_enrollments.enrollment_ids) > 100000 then
    raise exception 'invalid enrollment_ids'
      using errcode = 'PT422', detail = format('%s enrollments', coalesce(cardinality(pause_enrollments.enrollment_ids)::text, 'null')),
        hint = 'Pass an array of at most 100,000 ids.';
  end if;
  return query
  select c.enrollment_id, c.new_status, coalesce(c.old_status <> c.new_status, false)
  from drip_core._change_enrollments(pause_enrollments.organization_id, pause_enrollments.enrollment_ids, 'paused', pause_enrollments.reason) as c;
end;
$$;

revoke all on function drip.pause_enrollments(bigint, bigint[], text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.pause_enrollments(bigint, bigint[], text) to drip_app;
comment on function drip.pause_enrollments(bigint, bigint[], text) is
'Pauses enrollments: one row each with its status now (null: not found) and whether it changed. Errors: PT403, PT404, PT422.';
