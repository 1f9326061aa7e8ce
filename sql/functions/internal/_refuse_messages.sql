-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_plan_step.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql, functions/internal/_insert_wakeups.sql, functions/internal/_step_after_skip.sql
-- What becomes of due messages that must not go out, as the reason says: the enrollment ends; or the step is skipped
-- while a later one can still be delivered, else the enrollment ends; or it is paused (a reply that nobody reacted to yet,
-- where on_reply says so); or the message waits until wait_untils says, else a
-- quarter of an hour, with its step and its attempts as they are.
-- Every row leaves the due set. The caller holds the enrollments.
-- Locks: report_facts of the enrollments that end or skip, waiting 50 ms at most: else they are due again in ten seconds.
-- Errors: none. Not to be repeated.
drop function if exists drip_core._refuse_messages(bigint, bigint[], drip.reason[]);
create or replace function drip_core._refuse_messages(
  organization_id bigint, enrollment_ids bigint[], reasons drip.reason[], wait_untils timestamptz[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '50ms'
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _refuse_messages.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_row record;
begin
  update drip_core.enrollments as e
  set next_step_at = i.wait_until, wait_reason = i.reason
  from (
    select
      u.id, u.reason,
      case when u.wait_until > v_now then u.wait_until else drip_core._sendable_from(
        v_now + interval '15 minutes', coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone), w.weekdays, w.starts, w.ends, w.holidays) end as wait_until
    from unnest(_refuse_messages.enrollment_ids, _refuse_messages.reasons, _refuse_messages.wait_untils) as u (id, reason, wait_until)
    join drip_core.reasons as r on r.reason = u.reason and r.effect = 'waits'
    join drip_core.enrollments as n on n.organization_id = v_org and n.id = u.id
    join drip_core.steps as s on s.organization_id = v_org and s.id = n.step_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = n.contact_id
    join drip_core.organizations as o on o.id = v_org
    join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
  ) as i
  where e.organization_id = v_org and e.id = i.id;
  -- sooner than the lanes look again
  insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
  select v_org, e.channel_account_id, e.sequence_id, min(e.next_step_at)
  from unnest(_refuse_messages.enrollment_ids) as i (id)
  join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
  where e.status = 'active' and e.wait_reason is not null and e.next_step_at > v_now and e.next_step_at <= v_now + interval '60 seconds'
  group by e.channel_account_id, e.sequence_id;

  for v_row in
    select
      e.id, e.contact_id, e.sequence_id, e.version, e.step_id, e.channel_account_id, s.channel, i.reason, r.effect, r.ends_as,
      v.on_reply,
      n.id as next_id,
      e.sender_ids[n.channel_no] as next_account_id,
      drip_core._plan_step(
        v_now, n.delay_elapsed, n.delay_days, n.delay_business_days, n.delay_at, coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone),
        w.weekdays, w.starts, w.ends, w.holidays) as next_at
    from unnest(_refuse_messages.enrollment_ids, _refuse_messages.reasons) as i (id, reason)
    join drip_core.reasons as r on r.reason = i.reason and r.effect <> 'waits'
    join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
    join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
    join drip_core.organizations as o on o.id = v_org
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
    left join drip_core.steps as n
      on r.effect = 'skips_step' and n.organization_id = v_org and n.id = drip_core._step_after_skip(v_org, s.id, c.id)
    join drip_core._sending_windows(v_org, coalesce(n.channel, s.channel)) as w on w.sequence_id = s.sequence_id and w.version = s.version
    order by e.id
  loop
    begin
      if v_row.next_id is not null then
        insert into drip_core.events (
          organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel, channel_account_id
        )
        values (
          v_org, v_now, v_now, 'skipped', v_row.reason, v_row.id, v_row.contact_id, v_row.sequence_id, v_row.version, v_row.step_id,
          v_row.channel, v_row.channel_account_id
        );
        update drip_core.enrollments as e
        set
          step_id = v_row.next_id, channel_account_id = v_row.next_account_id, next_step_at = v_row.next_at, attempt = 0,
          planned_from = v_now, is_after_delay = true, wait_reason = null
        where e.organization_id = v_org and e.id = v_row.id;
        perform drip_core._insert_wakeups(v_org, array[v_row.next_account_id], v_row.sequence_id, v_row.next_at);
      elsif v_row.reason = 'replied' and v_row.on_reply = 'pause' then
        update drip_core.enrollments as e
        set status = 'paused', status_reason = v_row.reason, status_note = null, status_cause = null, status_changed_at = v_now
        where e.organization_id = v_org and e.id = v_row.id;
      else
        update drip_core.enrollments as e
        set status = v_row.ends_as, status_reason = v_row.reason, status_note = null, status_cause = null, status_changed_at = v_now, next_step_at = null
        where e.organization_id = v_org and e.id = v_row.id;
      end if;
    exception
      when lock_not_available then
        -- what the reports know of it is being written by a transaction that goes on: the claim does not wait for that
        update drip_core.enrollments as e
        set next_step_at = v_now + interval '10 seconds', planned_from = v_now + interval '10 seconds', is_after_delay = false
        where e.organization_id = v_org and e.id = v_row.id;
        perform drip_core._insert_wakeups(v_org, array[v_row.channel_account_id], v_row.sequence_id, v_now + interval '10 seconds');
    end;
  end loop;
end;
$$;

revoke all on function drip_core._refuse_messages(bigint, bigint[], drip.reason[], timestamptz[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._refuse_messages(bigint, bigint[], drip.reason[], timestamptz[]) is
'Ends, skips or defers due messages that must not go out, as their reasons say.';
