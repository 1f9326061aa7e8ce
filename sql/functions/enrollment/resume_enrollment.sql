-- requires: functions/internal/_authorize.sql, functions/internal/_require_enrollment.sql, functions/internal/_change_enrollments.sql
-- Resumes a paused enrollment: a future next_step_at stays, a past one is due now (then limit and gap apply); what is leased or held is not made due.
-- Locks: the enrollment. Errors: PT403, PT404, PT409 (it has ended). A repeat returns the status and changes nothing.
create or replace function drip.resume_enrollment(organization_id bigint, enrollment_id bigint, reason text default null)
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
  perform drip_core._authorize(resume_enrollment.organization_id, 'resume_enrollment', jsonb_build_object('enrollment_id', resume_enrollment.enrollment_id));
  perform drip_core._require_enrollment(resume_enrollment.organization_id, resume_enrollment.enrollment_id);
  select c.new_status
  into v_status
  from drip_core._change_enrollments(resume_enrollment.organization_id, array[resume_enrollment.enrollment_id], 'active', resume_enrollment.reason) as c;
  if v_status <> 'active' then
    raise exception 'only a paused enrollment can be resumed'
      using errcode = 'PT409', detail = format('enrollment_id: %s, status: %s', resume_enrollment.enrollment_id, v_status),
        hint = 'An active one stays active; one that has ended stays as it is: enroll again where re-entry is allowed.';
  end if;
  return v_status;
end;
$$;

revoke all on function drip.resume_enrollment(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.resume_enrollment(bigint, bigint, text) to drip_app;
comment on function drip.resume_enrollment(bigint, bigint, text) is
'Resumes an enrollment and returns its new status. Errors: PT403, PT404, PT409 (it has ended).';
