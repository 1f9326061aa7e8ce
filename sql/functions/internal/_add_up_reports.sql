-- Adds up what facts have changed in the counts of the reports since the last call: up to 5,000 rows of report_deltas per
-- organization, and as many in all. What a report shows does not change by it: the rows go and their sum comes in one step. Whichever
-- rows are visible are added up, in no order: one that commits late is simply added later.
-- Locks: the organization's row, with skip locked: of two sessions at one organization the second leaves it to the first. Errors: none.
-- A repeat goes on where the last one stopped. Returns how many rows were added up.
create or replace function drip_core._add_up_reports(allowed bigint[])
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org bigint;
  v_ids bigint[];
  v_left int := 5000;
begin
  loop
    -- from one organization to the next by the primary key
    select d.organization_id into v_org
    from drip_core.report_deltas as d
    where d.organization_id > coalesce(v_org, 0) and (_add_up_reports.allowed is null or d.organization_id = any (_add_up_reports.allowed))
    order by d.organization_id
    limit 1;
    exit when v_org is null;
    -- a row, no advisory lock: those any login may take
    perform from drip_core.organizations as o where o.id = v_org for no key update skip locked;
    continue when not found;
    v_ids := array(select d.id from drip_core.report_deltas as d where d.organization_id = v_org order by d.id limit v_left);

    with added as (
      delete from drip_core.report_deltas as d
      where d.organization_id = v_org and d.id = any (v_ids)
      returning d.*
    )

    insert into drip_core.report_cells as c (
      organization_id, scope, sequence_id, version, day, step_id, channel_account_id, subject, outcome, reason, error_code,
      enrolled, active, paused, completed, failed, exited, removed, bounced, unsubscribed, contacted, sender_contacted, channel_contacted,
      messages_sent, messages_failed, reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens,
      machine_clicks, replies, unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions,
      sender_replies, sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes,
      channel_complaints, channel_conversions, auto_replies, occurrences
    )
    select
      v_org, x.scope, d.sequence_id, d.version, x.day, x.step_id, x.channel_account_id, d.subject, d.outcome, d.reason, d.error_code,
      sum(d.enrolled), sum(d.active), sum(d.paused), sum(d.completed), sum(d.failed), sum(d.exited), sum(d.removed), sum(d.bounced),
      sum(d.unsubscribed), sum(d.contacted), sum(d.sender_contacted), sum(d.channel_contacted), sum(d.messages_sent),
      sum(d.messages_failed), sum(d.reached), sum(d.skipped), sum(d.delivered), sum(d.messages_bounced), sum(d.messages_opened),
      sum(d.messages_clicked), sum(d.machine_opens), sum(d.machine_clicks), sum(d.replies), sum(d.unsubscribes), sum(d.complaints),
      sum(d.conversions), sum(d.step_replies), sum(d.step_unsubscribes), sum(d.step_complaints), sum(d.step_conversions),
      sum(d.sender_replies), sum(d.sender_unsubscribes), sum(d.sender_complaints), sum(d.sender_conversions), sum(d.channel_replies),
      sum(d.channel_unsubscribes), sum(d.channel_complaints), sum(d.channel_conversions), sum(d.auto_replies), sum(d.occurrences)
    from added as d
    cross join lateral (values
      ('cohort', d.cohort_day, null, null),
      ('step', null, d.step_id, d.channel_account_id),
      ('day', d.day, d.step_id, d.channel_account_id),
      ('outcome', d.day, d.step_id, d.channel_account_id)
    ) as x (scope, day, step_id, channel_account_id)
    where x.scope = d.scope
      or (d.scope is null and (x.scope = 'outcome') = (d.outcome is not null) and (x.scope <> 'step' or d.step_id is not null))
    group by x.scope, d.sequence_id, d.version, x.day, x.step_id, x.channel_account_id, d.subject, d.outcome, d.reason, d.error_code
    order by x.scope, d.sequence_id, d.version, x.day, x.step_id, x.channel_account_id
    on conflict on constraint report_cells_are_kept_once do update
    set
      enrolled = c.enrolled + excluded.enrolled,
      active = c.active + excluded.active,
      paused = c.paused + excluded.paused,
      completed = c.completed + excluded.completed,
      failed = c.failed + excluded.failed,
      exited = c.exited + excluded.exited,
      removed = c.removed + excluded.removed,
      bounced = c.bounced + excluded.bounced,
      unsubscribed = c.unsubscribed + excluded.unsubscribed,
      contacted = c.contacted + excluded.contacted,
      sender_contacted = c.sender_contacted + excluded.sender_contacted,
      channel_contacted = c.channel_contacted + excluded.channel_contacted,
      messages_sent = c.messages_sent + excluded.messages_sent,
      messages_failed = c.messages_failed + excluded.messages_failed,
      reached = c.reached + excluded.reached,
      skipped = c.skipped + excluded.skipped,
      delivered = c.delivered + excluded.delivered,
      messages_bounced = c.messages_bounced + excluded.messages_bounced,
      messages_opened = c.messages_opened + excluded.messages_opened,
      messages_clicked = c.messages_clicked + excluded.messages_clicked,
      machine_opens = c.machine_opens + excluded.machine_opens,
      machine_clicks = c.machine_clicks + excluded.machine_clicks,
      replies = c.replies + excluded.replies,
      unsubscribes = c.unsubscribes + excluded.unsubscribes,
      complaints = c.complaints + excluded.complaints,
      conversions = c.conversions + excluded.conversions,
      step_replies = c.step_replies + excluded.step_replies,
      step_unsubscribes = c.step_unsubscribes + excluded.step_unsubscribes,
      step_complaints = c.step_complaints + excluded.step_complaints,
      step_conversions = c.step_conversions + excluded.step_conversions,
      sender_replies = c.sender_replies + excluded.sender_replies,
      sender_unsubscribes = c.sender_unsubscribes + excluded.sender_unsubscribes,
      sender_complaints = c.sender_complaints + excluded.sender_complaints,
      sender_conversions = c.sender_conversions + excluded.sender_conversions,
      channel_replies = c.channel_replies + excluded.channel_replies,
      channel_unsubscribes = c.channel_unsubscribes + excluded.channel_unsubscribes,
      channel_complaints = c.channel_complaints + excluded.channel_complaints,
      channel_conversions = c.channel_conversions + excluded.channel_conversions,
      auto_replies = c.auto_replies + excluded.auto_replies,
      occurrences = c.occurrences + excluded.occurrences;

    v_left := v_left - cardinality(v_ids);
    exit when v_left <= 0;
  end loop;
  return 5000 - v_left;
end;
$$;

revoke all on function drip_core._add_up_reports(bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._add_up_reports(bigint[]) is 'Adds up a bounded number of changes in the counts of the reports; returns how many.';
