-- Refuses an enrollment that the organization does not have. Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip_core._require_enrollment(organization_id bigint, enrollment_id bigint)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from drip_core.enrollments as e
    where e.organization_id = _require_enrollment.organization_id and e.id = _require_enrollment.enrollment_id
  ) then
    raise exception 'enrollment not found'
      using errcode = 'PT404', detail = format('enrollment_id: %s', coalesce(_require_enrollment.enrollment_id::text, 'null')),
        hint = 'drip.list_enrollments shows the enrollments there are.';
  end if;
end;
$$;

revoke all on function drip_core._require_enrollment(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_enrollment(bigint, bigint) is 'Raises PT404 for an enrollment that the organization does not have.';
