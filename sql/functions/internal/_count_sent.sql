-- requires: functions/internal/_fact_cells.sql
-- Messages of one organization were sent of whose enrollments there are facts already (an open that came before its message
-- was settled, a skipped step): writes what that changes in the counts.
-- Locks: report_facts of these enrollments, in id order; the caller holds the enrollments. Errors: none. Not to be repeated.
create or replace function drip_core._count_sent(organization_id bigint, sent drip_core.report_fact[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _count_sent.organization_id;
  v_facts drip_core.report_fact[];
begin
  perform
  from drip_core.report_facts as f
  where f.organization_id = v_org and f.enrollment_id = any (array(select s.enrollment_id from unnest(_count_sent.sent) as s))
  order by f.enrollment_id
  for no key update;
  v_facts := array(
    select row(f.enrollment_id, u.kind, u.step_id, u.first_at)::drip_core.report_fact
    from drip_core.report_facts as f
    cross join lateral unnest(f.kinds, f.step_ids, f.first_at) as u (kind, step_id, first_at)
    where f.organization_id = v_org and f.enrollment_id = any (array(select s.enrollment_id from unnest(_count_sent.sent) as s))
  );
  insert into drip_core.report_deltas (
    organization_id, sequence_id, version, cohort_day, day, step_id, channel_account_id,
    reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens, machine_clicks, replies,
    unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions, sender_replies,
    sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
    channel_conversions
  )
  select
    v_org, c.sequence_id, c.version, c.cohort_day, c.day, c.step_id, c.channel_account_id,
    sum(c.sign * c.reached),
    sum(c.sign * c.skipped),
    sum(c.sign * c.delivered),
    sum(c.sign * c.messages_bounced),
    sum(c.sign * c.messages_opened),
    sum(c.sign * c.messages_clicked),
    sum(c.sign * c.machine_opens),
    sum(c.sign * c.machine_clicks),
    sum(c.sign * c.replies),
    sum(c.sign * c.unsubscribes),
    sum(c.sign * c.complaints),
    sum(c.sign * c.conversions),
    sum(c.sign * c.step_replies),
    sum(c.sign * c.step_unsubscribes),
    sum(c.sign * c.step_complaints),
    sum(c.sign * c.step_conversions),
    sum(c.sign * c.sender_replies),
    sum(c.sign * c.sender_unsubscribes),
    sum(c.sign * c.sender_complaints),
    sum(c.sign * c.sender_conversions),
    sum(c.sign * c.channel_replies),
    sum(c.sign * c.channel_unsubscribes),
    sum(c.sign * c.channel_complaints),
    sum(c.sign * c.channel_conversions)
  from (
    select 1 as sign, n.* from drip_core._fact_cells(v_org, v_facts) as n
    union all
    select -1, o.* from drip_core._fact_cells(v_org, v_facts, _count_sent.sent) as o
  ) as c
  group by c.sequence_id, c.version, c.cohort_day, c.day, c.step_id, c.channel_account_id
  having array[
    sum(c.sign * c.reached), sum(c.sign * c.skipped), sum(c.sign * c.delivered), sum(c.sign * c.messages_bounced), sum(c.sign *
    c.messages_opened), sum(c.sign * c.messages_clicked), sum(c.sign * c.machine_opens), sum(c.sign * c.machine_clicks), sum(c.sign *
    c.replies), sum(c.sign * c.unsubscribes), sum(c.sign * c.complaints), sum(c.sign * c.conversions), sum(c.sign * c.step_replies),
    sum(c.sign * c.step_unsubscribes), sum(c.sign * c.step_complaints), sum(c.sign * c.step_conversions), sum(c.sign * c.sender_replies),
    sum(c.sign * c.sender_unsubscribes), sum(c.sign * c.sender_complaints), sum(c.sign * c.sender_conversions), sum(c.sign *
    c.channel_replies), sum(c.sign * c.channel_unsubscribes), sum(c.sign * c.channel_complaints), sum(c.sign * c.channel_conversions)
  ] <> array_fill(0::numeric, array[24]);
end;
$$;

revoke all on function drip_core._count_sent(bigint, drip_core.report_fact[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._count_sent(bigint, drip_core.report_fact[]) is
'Writes what facts that came before their messages were settled change in the counts of the reports.';
