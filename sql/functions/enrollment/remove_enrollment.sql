-- requires: functions/internal/_authorize.sql, functions/internal/_require_enrollment.sql, functions/internal/_change_enrollments.sql
-- Removes an enrollment from its sequence, for good. removed_by is the profile of the caller.
-- Locks: the enrollment. Errors: PT403, PT404, PT409 (it has ended). A repeat returns the status and changes nothing.
create or replace function drip.remove_enrollment(organization_id bigint, enrollment_id bigint, reason text default null)
returns drip.enrollment_status
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_status drip.enrollment_status;
begin
  perform drip_core._authorize(remove_enrollment.organization_id, 'remove_enrollment', jsonb_build_object('enrollment_id', remove_enrollment.enrollment_id));
  perform drip_core._require_enrollment(remove_enrollment.organization_id, remove_enrollment.enrollment_id);
  select c.new_status
  into v_status
  from drip_core._change_enrollments(remove_enrollment.organization_id, array[remove_enrollment.enrollment_id], 'removed', remove_enrollment.reason) as c;
  if v_status <> 'removed' then
    raise exception 'only an open enrollment can be removed'
      using errcode = 'PT409', detail = format('enrollment_id: %s, status: %s', remove_enrollment.enrollment_id, v_status),
        hint = 'One that has ended stays as it is.';
  end if;
  return v_status;
end;
$$;

revoke all on function drip.remove_enrollment(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.remove_enrollment(bigint, bigint, text) to drip_app;
comment on function drip.remove_enrollment(bigint, bigint, text) is
'Removes an enrollment and returns its new status. Errors: PT403, PT404, PT409 (it has ended).';
