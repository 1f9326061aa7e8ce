-- requires: functions/internal/_insert_wakeups.sql
-- Pauses, resumes or removes enrollments: the one implementation behind the six functions. An enrollment that cannot (it
-- has ended, or is not there) is answered with its status, or null; nothing is half done. A message in flight keeps its
-- token. Resume keeps a future next_step_at, makes a past one due now, and never what is leased or held.
-- Locks: the enrollments in id order. Errors: none. A repeat changes nothing.
create or replace function drip_core._change_enrollments(
  organization_id bigint, enrollment_ids bigint[], to_status drip.enrollment_status, reason text
)
returns table (enrollment_id bigint, old_status drip.enrollment_status, new_status drip.enrollment_status)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _change_enrollments.organization_id;
  v_to constant drip.enrollment_status := _change_enrollments.to_status;
  v_now constant timestamptz := drip_core.now();
  v_profile constant uuid := drip_core.current_profile();
  v_ids bigint[];
  v_olds drip.enrollment_status[];
  v_changing bigint[];
begin
  select coalesce(array_agg(x.id), '{}'), coalesce(array_agg(x.status), '{}')
  into v_ids, v_olds
  from (
    select e.id, e.status
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (_change_enrollments.enrollment_ids)
    order by e.id
    for no key update
  ) as x;
  v_changing := array(
    select u.id
    from unnest(v_ids, v_olds) as u (id, status)
    where (v_to = 'active' and u.status = 'paused')
      or (v_to = 'paused' and u.status = 'active')
      or (v_to = 'removed' and u.status in ('active', 'paused'))
  );
  update drip_core.enrollments as e
  set
    status = v_to,
    status_reason = case when v_to <> 'active' then 'manual'::drip.reason end,
    status_note = left(_change_enrollments.reason, 500),
    status_cause = null,
    status_changed_at = v_now,
    next_step_at = case
      when v_to = 'removed' then null
      when v_to = 'active' and e.claim_token is null then greatest(e.next_step_at, v_now)
      else e.next_step_at
    end,
    removed_by = case when v_to = 'removed' then v_profile else e.removed_by end
  where e.organization_id = v_org and e.id = any (v_changing);

  if v_to = 'active' then
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, e.channel_account_id, e.sequence_id, min(coalesce(e.lease_expires_at, e.next_step_at))
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (v_changing) and e.next_step_at is not null
    group by e.channel_account_id, e.sequence_id;
  end if;

  return query
  select i.id, u.status, case when i.id = any (v_changing) then v_to else u.status end
  from (
    select g.id, min(g.ordinal) as ordinal
    from unnest(_change_enrollments.enrollment_ids) with ordinality as g (id, ordinal)
    group by g.id
  ) as i
  left join unnest(v_ids, v_olds) as u (id, status) on u.id = i.id
  order by i.ordinal;
end;
$$;

revoke all on function drip_core._change_enrollments(bigint, bigint[], drip.enrollment_status, text)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._change_enrollments(bigint, bigint[], drip.enrollment_status, text) is
'Pauses, resumes or removes enrollments; old and new status of each, nulls where there is none.';
