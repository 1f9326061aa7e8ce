-- Brings open enrollments to a status for a reason that came from outside. A message in flight stays settleable: its claim
-- token is not revoked; the event says that it was. What is paused stays paused where it is to be paused.
-- Locks: the enrollments in id order. Errors: none. A repeat changes nothing.
create or replace function drip_core._change_status(
  organization_id bigint, enrollment_ids bigint[], to_status drip.enrollment_status, reason drip.reason, cause jsonb
)
returns bigint[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ids bigint[];
begin
  v_ids := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = _change_status.organization_id and e.id = any (_change_status.enrollment_ids)
      and (e.status = 'active' or (e.status = 'paused' and _change_status.to_status <> 'paused'))
    order by e.id
    for no key update
  );
  update drip_core.enrollments as e
  set
    status = _change_status.to_status, status_reason = _change_status.reason, status_note = null, status_changed_at = drip_core.now(),
    next_step_at = case when _change_status.to_status = 'paused' then e.next_step_at end,
    status_cause = case
      when e.lease_expires_at is null then _change_status.cause
      else coalesce(_change_status.cause, '{}') || '{"in_flight": true}'
    end
  where e.organization_id = _change_status.organization_id and e.id = any (v_ids);
  return v_ids;
end;
$$;

revoke all on function drip_core._change_status(bigint, bigint[], drip.enrollment_status, drip.reason, jsonb) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._change_status(bigint, bigint[], drip.enrollment_status, drip.reason, jsonb) is
'Brings open enrollments to a status for a reason that came from outside; those that changed.';
