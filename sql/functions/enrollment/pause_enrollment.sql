-- requires: functions/internal/_authorize.sql, functions/internal/_require_enrollment.sql, functions/internal/_change_enrollments.sql
-- Pauses an enrollment: it waits, its message in flight is still settled.
-- Locks: the enrollment. Errors: PT403, PT404, PT409 (it has ended). A repeat returns the status and changes nothing.
create or replace function drip.pause_enrollment(organization_id bigint, enrollment_id bigint, reason text default null)
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
  perform drip_core._authorize(pause_enrollment.organization_id, 'pause_enrollment', jsonb_build_object('enrollment_id', pause_enrollment.enrollment_id));
  perform drip_core._require_enrollment(pause_enrollment.organization_id, pause_enrollment.enrollment_id);
  select c.new_status
  into v_status
  from drip_core._change_enrollments(pause_enrollment.organization_id, array[pause_enrollment.enrollment_id], 'paused', pause_enrollment.reason) as c;
  if v_status <> 'paused' then
    raise exception 'only an active enrollment can be paused'
      using errcode = 'PT409', detail = format('enrollment_id: %s, status: %s', pause_enrollment.enrollment_id, v_status),
        hint = 'A paused one stays paused; one that has ended stays as it is.';
  end if;
  return v_status;
end;
$$;

revoke all on function drip.pause_enrollment(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.pause_enrollment(bigint, bigint, text) to drip_app;
comment on function drip.pause_enrollment(bigint, bigint, text) is
'Pauses an enrollment and returns its new status. Errors: PT403, PT404, PT409 (it has ended).';
