-- Ends every open enrollment of contacts that uses a channel (null: all of them; with a sequence: of that one only), for a
-- reason that says as what. A message in flight stays settleable: its claim token is not revoked; the event says that it was.
-- Locks: the enrollments in id order. Errors: none. A repeat changes nothing.
drop function if exists drip_core._end_enrollments(bigint, bigint, drip.channel, drip.reason);
create or replace function drip_core._end_enrollments(
  organization_id bigint, contact_ids bigint[], channel drip.channel, reason drip.reason, cause jsonb default null,
  only_sequence_id bigint default null, out ended_ids bigint[], out in_flight int
)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_status drip.enrollment_status;
begin
  select r.ends_as into v_status from drip_core.reasons as r where r.reason = _end_enrollments.reason;
  -- locked first, judged then: a row that changed while it was waited for is of another step by now
  perform
  from drip_core.enrollments as e
  where e.organization_id = _end_enrollments.organization_id
    and e.contact_id = any (_end_enrollments.contact_ids)
    and e.status in ('active', 'paused')
    and (_end_enrollments.only_sequence_id is null or e.sequence_id = _end_enrollments.only_sequence_id)
  order by e.id
  for no key update;
  select coalesce(array_agg(x.id order by x.id), '{}'), count(*) filter (where x.is_in_flight)
  into ended_ids, in_flight
  from (
    select e.id, e.lease_expires_at is not null as is_in_flight
    from drip_core.enrollments as e
    where e.organization_id = _end_enrollments.organization_id
      and e.contact_id = any (_end_enrollments.contact_ids)
      and e.status in ('active', 'paused')
      and (_end_enrollments.only_sequence_id is null or e.sequence_id = _end_enrollments.only_sequence_id)
      and (_end_enrollments.channel is null or exists (
        select
        from drip_core.steps as s
        join drip_core.sequence_versions as v
          on v.organization_id = s.organization_id and v.sequence_id = s.sequence_id and v.version = s.version
        where s.organization_id = e.organization_id and s.id = e.step_id and _end_enrollments.channel = any (v.channels)
      ))
  ) as x;
  update drip_core.enrollments as e
  set
    status = v_status, status_reason = _end_enrollments.reason, status_note = null, status_changed_at = v_now, next_step_at = null,
    status_cause = case
      when e.lease_expires_at is null then _end_enrollments.cause
      else coalesce(_end_enrollments.cause, '{}') || '{"in_flight": true}'
    end
  where e.organization_id = _end_enrollments.organization_id and e.id = any (ended_ids);
end;
$$;

revoke all on function drip_core._end_enrollments(bigint, bigint[], drip.channel, drip.reason, jsonb, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._end_enrollments(bigint, bigint[], drip.channel, drip.reason, jsonb, bigint) is
'Ends the open enrollments of contacts that use a channel; their ids, and how many had a message in flight.';
