drop view if exists drip_report.daily_activity;
create view drip_report.daily_activity
with (security_invoker = true, security_barrier = true)
as
with counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    x.day,
    x.step_id,
    x.channel_account_id,
    sum(x.enrolled) as enrolled,
    sum(x.messages_sent) as messages_sent,
    sum(x.messages_failed) as messages_failed,
    sum(x.skipped) as skipped,
    sum(x.delivered) as delivered,
    sum(x.messages_bounced) as messages_bounced,
    sum(x.messages_opened) as messages_opened,
    sum(x.messages_clicked) as messages_clicked,
    sum(x.machine_opens) as machine_opens,
    sum(x.machine_clicks) as machine_clicks,
    sum(x.replies) as replies,
    sum(x.unsubscribes) as unsubscribes,
    sum(x.complaints) as complaints,
    sum(x.conversions) as conversions,
    sum(x.auto_replies) as auto_replies,
    sum(x.completed) as completed,
    sum(x.failed) as failed,
    sum(x.exited) as exited,
    sum(x.removed) as removed,
    sum(x.bounced) as bounced,
    sum(x.unsubscribed) as unsubscribed
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.day,
      c.step_id,
      c.channel_account_id,
      c.enrolled,
      c.messages_sent,
      c.messages_failed,
      c.skipped,
      c.delivered,
      c.messages_bounced,
      c.messages_opened,
      c.messages_clicked,
      c.machine_opens,
      c.machine_clicks,
      c.replies,
      c.unsubscribes,
      c.complaints,
      c.conversions,
      c.auto_replies,
      c.completed,
      c.failed,
      c.exited,
      c.removed,
      c.bounced,
      c.unsubscribed
    from drip_core.report_cells as c
    where c.scope = 'day'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.day,
      d.step_id,
      d.channel_account_id,
      d.enrolled,
      d.messages_sent,
      d.messages_failed,
      d.skipped,
      d.delivered,
      d.messages_bounced,
      d.messages_opened,
      d.messages_clicked,
      d.machine_opens,
      d.machine_clicks,
      d.replies,
      d.unsubscribes,
      d.complaints,
      d.conversions,
      d.auto_replies,
      d.completed,
      d.failed,
      d.exited,
      d.removed,
      d.bounced,
      d.unsubscribed
    from drip_core.report_deltas as d
    where d.scope = 'day' or (d.scope is null and d.outcome is null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.day, x.step_id, x.channel_account_id
)

select
  c.organization_id,
  c.day,
  s.key as sequence_key,
  c.version,
  st.version as step_version,
  st.key as step_key,
  st.channel::text as channel,
  a.key as channel_account_key,
  c.enrolled,
  c.messages_sent,
  c.messages_failed,
  c.messages_sent::numeric / nullif(c.messages_sent + c.messages_failed, 0) as success_rate,
  c.skipped,
  c.delivered,
  c.messages_bounced,
  c.messages_opened,
  c.messages_clicked,
  c.machine_opens,
  c.machine_clicks,
  c.replies,
  c.unsubscribes,
  c.complaints,
  c.conversions,
  c.auto_replies,
  c.completed,
  c.failed,
  c.exited,
  c.removed,
  c.bounced,
  c.unsubscribed
from counts as c
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
left join drip_core.steps as st on c.organization_id = st.organization_id and c.step_id = st.id
left join drip_core.channel_accounts as a on c.organization_id = a.organization_id and c.channel_account_id = a.id
where c.enrolled <> 0
  or c.messages_sent <> 0
  or c.messages_failed <> 0
  or c.skipped <> 0
  or c.delivered <> 0
  or c.messages_bounced <> 0
  or c.messages_opened <> 0
  or c.messages_clicked <> 0
  or c.machine_opens <> 0
  or c.machine_clicks <> 0
  or c.replies <> 0
  or c.unsubscribes <> 0
  or c.complaints <> 0
  or c.conversions <> 0
  or c.auto_replies <> 0
  or c.completed <> 0
  or c.failed <> 0
  or c.exited <> 0
  or c.removed <> 0
  or c.bounced <> 0
  or c.unsubscribed <> 0;

revoke all on drip_report.daily_activity from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.daily_activity to drip_analyst;
comment on view drip_report.daily_activity is
'One row per local day, sequence, version, step and sender: what happened on that day, in its own time. What is counted once is on the day it first happened. A range of days is a sum of rows.';
comment on column drip_report.daily_activity.organization_id is 'The tenant.';
comment on column drip_report.daily_activity.day is 'The local day (time zone of the organization) of the events themselves, not of the enrollment.';
comment on column drip_report.daily_activity.sequence_key is 'Key of the sequence.';
comment on column drip_report.daily_activity.version is 'The version at enrollment: the cohort.';
comment on column drip_report.daily_activity.step_version is 'The version that the step belongs to.';
comment on column drip_report.daily_activity.step_key is 'The step that was sent or skipped, or that was answered; null for what is about no message.';
comment on column drip_report.daily_activity.channel is 'Channel of the step.';
comment on column drip_report.daily_activity.channel_account_key is 'Sender of the message; null for what is about no message.';
comment on column drip_report.daily_activity.enrolled is 'Enrollments created on that day.';
comment on column drip_report.daily_activity.messages_sent is 'Messages a provider accepted on that day.';
comment on column drip_report.daily_activity.messages_failed is 'Messages given up on that day.';
comment on column drip_report.daily_activity.success_rate is 'messages_sent / (messages_sent + messages_failed) of that day; null where there are none.';
comment on column drip_report.daily_activity.skipped is 'Steps skipped on that day.';
comment on column drip_report.daily_activity.delivered is 'Messages whose delivery was confirmed for that day.';
comment on column drip_report.daily_activity.messages_bounced is 'Messages that first came back on that day.';
comment on column drip_report.daily_activity.messages_opened is 'Messages first opened by a person on that day, of those that did not come back.';
comment on column drip_report.daily_activity.messages_clicked is 'Messages whose link a person first followed on that day, of those that did not come back.';
comment on column drip_report.daily_activity.machine_opens is 'Messages first opened by a machine on that day.';
comment on column drip_report.daily_activity.machine_clicks is 'Messages whose link a machine first followed on that day.';
comment on column drip_report.daily_activity.replies is 'Contacted enrollments whose first human reply came on that day.';
comment on column drip_report.daily_activity.unsubscribes is 'Contacted enrollments whose first unsubscribe came on that day.';
comment on column drip_report.daily_activity.complaints is 'Contacted enrollments whose first spam complaint came on that day.';
comment on column drip_report.daily_activity.conversions is 'Contacted enrollments that first reached the goal on that day.';
comment on column drip_report.daily_activity.auto_replies is 'Automatic replies of that day.';
comment on column drip_report.daily_activity.completed is 'Enrollments that reached the end of the sequence on that day.';
comment on column drip_report.daily_activity.failed is 'Enrollments that ended on that day because a message was given up.';
comment on column drip_report.daily_activity.exited is 'Enrollments that ended on that day by a rule of the sequence.';
comment on column drip_report.daily_activity.removed is 'Enrollments that were removed on that day.';
comment on column drip_report.daily_activity.bounced is 'Enrollments that ended on that day because the address does not exist.';
comment on column drip_report.daily_activity.unsubscribed is 'Enrollments that ended on that day because the contact opted out.';
