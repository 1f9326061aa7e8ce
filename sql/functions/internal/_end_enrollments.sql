-- Ends every open enrollment of a contact that uses a channel (null: all of them), for a reason that says as what.
-- A message in flight stays settleable: its claim token is not revoked.
-- Locks: the enrollments in id order. Errors: none. A repeat changes nothing.
create or replace function drip_core._end_enrollments(organization_id bigint, contact_id bigint, channel drip.channel, reason drip.reason)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_status drip.enrollment_status;
  v_ids bigint[];
begin
  select r.ends_as into v_status from drip_core.reasons as r where r.reason = _end_enrollments.reason;
  select array_agg(x.id)
  into v_ids
  from (
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = _end_enrollments.organization_id
      and e.contact_id = _end_enrollments.contact_id
      and e.status in ('active', 'paused')
      and (_end_enrollments.channel is null or exists (
        select
        from drip_core.steps as s
        join drip_core.sequence_versions as v
          on v.organization_id = s.organization_id and v.sequence_id = s.sequence_id and v.version = s.version
        where s.organization_id = e.organization_id and s.id = e.step_id and _end_enrollments.channel = any (v.channels)
      ))
    order by e.id
    for no key update of e
  ) as x;
  update drip_core.enrollments as e
  set status = v_status, status_reason = _end_enrollments.reason, status_note = null, status_changed_at = v_now, next_step_at = null
  where e.organization_id = _end_enrollments.organization_id and e.id = any (v_ids);
  return coalesce(cardinality(v_ids), 0);
end;
$$;

revoke all on function drip_core._end_enrollments(bigint, bigint, drip.channel, drip.reason)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._end_enrollments(bigint, bigint, drip.channel, drip.reason) is
'Ends the open enrollments of a contact that use a channel; returns how many.';
