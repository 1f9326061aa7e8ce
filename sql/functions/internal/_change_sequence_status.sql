-- requires: functions/internal/_insert_wakeups.sql
-- Changes the status of a sequence: opens or closes its queues; archiving ends what is open (sequence_archived).
-- Archived is final. Locks: the sequence (against enrollments in progress), for archiving its open enrollments in id
-- order, then its queues in key order. Errors: PT409. A repeat changes nothing.
create or replace function drip_core._change_sequence_status(organization_id bigint, sequence_id bigint, status drip.sequence_status)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _change_sequence_status.organization_id;
  v_sequence constant bigint := _change_sequence_status.sequence_id;
  v_new constant drip.sequence_status := _change_sequence_status.status;
  v_now constant timestamptz := drip_core.now();
  v_old drip.sequence_status;
  v_ids bigint[];
begin
  select s.status into v_old
  from drip_core.sequences as s
  where s.organization_id = v_org and s.id = v_sequence
  for update;
  if v_old = v_new then
    return;
  end if;
  if v_old = 'archived' then
    raise exception 'an archived sequence stays archived'
      using errcode = 'PT409', detail = format('sequence_id: %s, wanted: %s', v_sequence, v_new),
        hint = 'Publish the definition under a new key.';
  end if;
  if v_new = 'draft' and exists (
    select from drip_core.enrollments as e
    join drip_core.sequences as s on s.organization_id = e.organization_id and s.id = e.sequence_id
    where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused')
  ) then
    raise exception 'a sequence with open enrollments cannot become a draft'
      using errcode = 'PT409', detail = format('sequence_id: %s', v_sequence), hint = 'Pause it, or archive it.';
  end if;

  update drip_core.sequences as s
  set status = v_new, updated_at = v_now
  where s.organization_id = v_org and s.id = v_sequence;

  if v_new = 'archived' then
    select array_agg(x.id)
    into v_ids
    from (
      select e.id
      from drip_core.enrollments as e
      where e.organization_id = v_org and e.sequence_id = v_sequence and e.status in ('active', 'paused')
      order by e.id
      for no key update
    ) as x;
    update drip_core.enrollments as e
    set status = 'exited', status_reason = 'sequence_archived', status_note = null, status_changed_at = v_now, next_step_at = null
    where e.organization_id = v_org and e.id = any (v_ids);
  end if;

  perform
  from drip_core.queues as q
  where q.organization_id = v_org and q.sequence_id = v_sequence
  order by q.channel_account_id
  for no key update;
  update drip_core.queues as q
  set is_open = (v_new = 'active')
  where q.organization_id = v_org and q.sequence_id = v_sequence;

  if v_new = 'active' then
    perform drip_core._insert_wakeups(v_org, array(
      select q.channel_account_id from drip_core.queues as q
      where q.organization_id = v_org and q.sequence_id = v_sequence
    ), v_sequence, '-infinity');
  end if;
end;
$$;

revoke all on function drip_core._change_sequence_status(bigint, bigint, drip.sequence_status)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._change_sequence_status(bigint, bigint, drip.sequence_status) is
'Changes the status of a sequence with its queues; archiving ends its open enrollments.';
