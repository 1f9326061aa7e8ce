drop view if exists drip_report.cohorts;
create view drip_report.cohorts
with (security_invoker = true, security_barrier = true)
as
with counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    x.enrolled_on,
    sum(x.enrolled) as enrolled,
    sum(x.active) as active,
    sum(x.paused) as paused,
    sum(x.completed) as completed,
    sum(x.failed) as failed,
    sum(x.exited) as exited,
    sum(x.removed) as removed,
    sum(x.bounced) as bounced,
    sum(x.unsubscribed) as unsubscribed,
    sum(x.contacted) as contacted,
    sum(x.messages_sent) as messages_sent,
    sum(x.messages_failed) as messages_failed,
    sum(x.delivered) as delivered,
    sum(x.messages_bounced) as messages_bounced,
    sum(x.messages_opened) as messages_opened,
    sum(x.messages_clicked) as messages_clicked,
    sum(x.machine_opens) as machine_opens,
    sum(x.machine_clicks) as machine_clicks,
    sum(x.replies) as replies,
    sum(x.unsubscribes) as unsubscribes,
    sum(x.complaints) as complaints,
    sum(x.conversions) as conversions
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.day as enrolled_on,
      c.enrolled,
      c.active,
      c.paused,
      c.completed,
      c.failed,
      c.exited,
      c.removed,
      c.bounced,
      c.unsubscribed,
      c.contacted,
      c.messages_sent,
      c.messages_failed,
      c.delivered,
      c.messages_bounced,
      c.messages_opened,
      c.messages_clicked,
      c.machine_opens,
      c.machine_clicks,
      c.replies,
      c.unsubscribes,
      c.complaints,
      c.conversions
    from drip_core.report_cells as c
    where c.scope = 'cohort'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.cohort_day as enrolled_on,
      d.enrolled,
      d.active,
      d.paused,
      d.completed,
      d.failed,
      d.exited,
      d.removed,
      d.bounced,
      d.unsubscribed,
      d.contacted,
      d.messages_sent,
      d.messages_failed,
      d.delivered,
      d.messages_bounced,
      d.messages_opened,
      d.messages_clicked,
      d.machine_opens,
      d.machine_clicks,
      d.replies,
      d.unsubscribes,
      d.complaints,
      d.conversions
    from drip_core.report_deltas as d
    where d.scope = 'cohort' or (d.scope is null and d.outcome is null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.enrolled_on
)

select
  c.organization_id,
  s.key as sequence_key,
  c.version,
  c.enrolled_on,
  c.enrolled,
  c.active,
  c.paused,
  c.completed,
  c.failed,
  c.exited,
  c.removed,
  c.bounced,
  c.unsubscribed,
  c.contacted,
  c.messages_sent,
  c.messages_failed,
  c.messages_sent::numeric / nullif(c.messages_sent + c.messages_failed, 0) as success_rate,
  nullif(c.delivered, 0) as delivered,
  nullif(c.delivered, 0)::numeric / nullif(c.messages_sent, 0) as delivery_rate,
  c.messages_bounced::numeric / nullif(c.messages_sent, 0) as bounce_rate,
  c.messages_opened::numeric / nullif(c.messages_sent - c.messages_bounced, 0) as open_rate,
  c.messages_clicked::numeric / nullif(c.messages_sent - c.messages_bounced, 0) as click_rate,
  c.machine_opens,
  c.machine_clicks,
  c.replies::numeric / nullif(c.contacted, 0) as reply_rate,
  c.unsubscribes::numeric / nullif(c.contacted, 0) as unsubscribe_rate,
  c.complaints::numeric / nullif(c.contacted, 0) as complaint_rate,
  c.conversions::numeric / nullif(c.contacted, 0) as conversion_rate,
  c.messages_bounced,
  c.messages_opened,
  c.messages_clicked,
  c.replies,
  c.unsubscribes,
  c.complaints,
  c.conversions
from counts as c
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
where c.enrolled > 0;

revoke all on drip_report.cohorts from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.cohorts to drip_analyst;
comment on view drip_report.cohorts is
'One row per sequence, version and local day of enrollment: what became of those enrolled on that day, whenever it happened. A range of days is a sum of rows.';
comment on column drip_report.cohorts.organization_id is 'The tenant.';
comment on column drip_report.cohorts.sequence_key is 'Key of the sequence.';
comment on column drip_report.cohorts.version is 'The version at enrollment: the cohort.';
comment on column drip_report.cohorts.enrolled_on is 'The local day (time zone of the organization) on which they were enrolled: the cohort, followed until now.';
comment on column drip_report.cohorts.enrolled is 'Enrollments created on that day; the eight status columns sum to it.';
comment on column drip_report.cohorts.active is 'Enrollments that are going on.';
comment on column drip_report.cohorts.paused is 'Enrollments that are paused.';
comment on column drip_report.cohorts.completed is 'Enrollments that reached the end of the sequence.';
comment on column drip_report.cohorts.failed is 'Enrollments that ended because a message was given up.';
comment on column drip_report.cohorts.exited is 'Enrollments that ended by a rule of the sequence.';
comment on column drip_report.cohorts.removed is 'Enrollments that a person removed.';
comment on column drip_report.cohorts.bounced is 'Enrollments that ended because the address does not exist.';
comment on column drip_report.cohorts.unsubscribed is 'Enrollments that ended because the contact opted out.';
comment on column drip_report.cohorts.contacted is 'Enrollments with at least one sent message.';
comment on column drip_report.cohorts.messages_sent is 'Messages a provider accepted.';
comment on column drip_report.cohorts.messages_failed is 'Messages given up: retries exhausted or rejected.';
comment on column drip_report.cohorts.success_rate is 'messages_sent / (messages_sent + messages_failed); null where there are none.';
comment on column drip_report.cohorts.delivered is 'Messages whose delivery the provider confirmed; null where none was ever reported.';
comment on column drip_report.cohorts.delivery_rate is 'delivered / messages_sent; null where delivery is never reported.';
comment on column drip_report.cohorts.bounce_rate is 'messages_bounced / messages_sent.';
comment on column drip_report.cohorts.open_rate is 'messages_opened / (messages_sent - messages_bounced).';
comment on column drip_report.cohorts.click_rate is 'messages_clicked / (messages_sent - messages_bounced).';
comment on column drip_report.cohorts.machine_opens is 'Messages opened by a machine.';
comment on column drip_report.cohorts.machine_clicks is 'Messages whose link was followed by a machine.';
comment on column drip_report.cohorts.reply_rate is 'replies / contacted.';
comment on column drip_report.cohorts.unsubscribe_rate is 'unsubscribes / contacted.';
comment on column drip_report.cohorts.complaint_rate is 'complaints / contacted.';
comment on column drip_report.cohorts.conversion_rate is 'conversions / contacted.';
comment on column drip_report.cohorts.messages_bounced is 'Messages that came back after they were accepted.';
comment on column drip_report.cohorts.messages_opened is 'Messages with a human open, of those that did not come back.';
comment on column drip_report.cohorts.messages_clicked is 'Messages with a human click, of those that did not come back.';
comment on column drip_report.cohorts.replies is 'Contacted enrollments of the cohort with a human reply.';
comment on column drip_report.cohorts.unsubscribes is 'Contacted enrollments of the cohort with an unsubscribe (complaints are apart).';
comment on column drip_report.cohorts.complaints is 'Contacted enrollments of the cohort with a spam complaint.';
comment on column drip_report.cohorts.conversions is 'Contacted enrollments of the cohort with the goal reached.';
