drop view if exists drip_report.sequence_overview;
create view drip_report.sequence_overview
with (security_invoker = true, security_barrier = true)
as
with counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
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
  group by x.organization_id, x.sequence_id, x.version
)

select
  s.organization_id,
  s.key as sequence_key,
  s.name as sequence_name,
  v.version,
  s.status::text as sequence_status,
  coalesce(c.enrolled, 0) as enrolled,
  coalesce(c.active, 0) as active,
  coalesce(c.paused, 0) as paused,
  coalesce(c.completed, 0) as completed,
  coalesce(c.failed, 0) as failed,
  coalesce(c.exited, 0) as exited,
  coalesce(c.removed, 0) as removed,
  coalesce(c.bounced, 0) as bounced,
  coalesce(c.unsubscribed, 0) as unsubscribed,
  coalesce(c.contacted, 0) as contacted,
  coalesce(c.messages_sent, 0) as messages_sent,
  coalesce(c.messages_failed, 0) as messages_failed,
  coalesce(c.messages_sent, 0)::numeric / nullif(coalesce(c.messages_sent, 0) + coalesce(c.messages_failed, 0), 0) as success_rate,
  nullif(coalesce(c.delivered, 0), 0) as delivered,
  nullif(coalesce(c.delivered, 0), 0)::numeric / nullif(coalesce(c.messages_sent, 0), 0) as delivery_rate,
  coalesce(c.messages_bounced, 0)::numeric / nullif(coalesce(c.messages_sent, 0), 0) as bounce_rate,
  coalesce(c.messages_opened, 0)::numeric / nullif(coalesce(c.messages_sent, 0) - coalesce(c.messages_bounced, 0), 0) as open_rate,
  coalesce(c.messages_clicked, 0)::numeric / nullif(coalesce(c.messages_sent, 0) - coalesce(c.messages_bounced, 0), 0) as click_rate,
  coalesce(c.machine_opens, 0) as machine_opens,
  coalesce(c.machine_clicks, 0) as machine_clicks,
  coalesce(c.replies, 0)::numeric / nullif(coalesce(c.contacted, 0), 0) as reply_rate,
  coalesce(c.unsubscribes, 0)::numeric / nullif(coalesce(c.contacted, 0), 0) as unsubscribe_rate,
  coalesce(c.complaints, 0)::numeric / nullif(coalesce(c.contacted, 0), 0) as complaint_rate,
  coalesce(c.conversions, 0)::numeric / nullif(coalesce(c.contacted, 0), 0) as conversion_rate,
  coalesce(c.messages_bounced, 0) as messages_bounced,
  coalesce(c.messages_opened, 0) as messages_opened,
  coalesce(c.messages_clicked, 0) as messages_clicked,
  coalesce(c.replies, 0) as replies,
  coalesce(c.unsubscribes, 0) as unsubscribes,
  coalesce(c.complaints, 0) as complaints,
  coalesce(c.conversions, 0) as conversions
from drip_core.sequences as s
inner join drip_core.sequence_versions as v on s.organization_id = v.organization_id and s.id = v.sequence_id
left join counts as c on v.organization_id = c.organization_id and v.sequence_id = c.sequence_id and v.version = c.version
where v.version = s.current_version or c.enrolled > 0;

revoke all on drip_report.sequence_overview from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.sequence_overview to drip_analyst;
comment on view drip_report.sequence_overview is
'One row per sequence and version of enrollment (the cohort): how many enrolled, in which state they are, and what came of the messages.';
comment on column drip_report.sequence_overview.organization_id is 'The tenant.';
comment on column drip_report.sequence_overview.sequence_key is 'Key of the sequence.';
comment on column drip_report.sequence_overview.sequence_name is 'Name of the sequence.';
comment on column drip_report.sequence_overview.version is 'The version at enrollment: the cohort.';
comment on column drip_report.sequence_overview.sequence_status is 'draft, active, paused or archived.';
comment on column drip_report.sequence_overview.enrolled is 'Enrollments created; the eight status columns sum to it.';
comment on column drip_report.sequence_overview.active is 'Enrollments that are going on.';
comment on column drip_report.sequence_overview.paused is 'Enrollments that are paused.';
comment on column drip_report.sequence_overview.completed is 'Enrollments that reached the end of the sequence.';
comment on column drip_report.sequence_overview.failed is 'Enrollments that ended because a message was given up.';
comment on column drip_report.sequence_overview.exited is 'Enrollments that ended by a rule of the sequence.';
comment on column drip_report.sequence_overview.removed is 'Enrollments that a person removed.';
comment on column drip_report.sequence_overview.bounced is 'Enrollments that ended because the address does not exist.';
comment on column drip_report.sequence_overview.unsubscribed is 'Enrollments that ended because the contact opted out.';
comment on column drip_report.sequence_overview.contacted is 'Enrollments with at least one sent message.';
comment on column drip_report.sequence_overview.messages_sent is 'Messages a provider accepted.';
comment on column drip_report.sequence_overview.messages_failed is 'Messages given up: retries exhausted or rejected.';
comment on column drip_report.sequence_overview.success_rate is 'messages_sent / (messages_sent + messages_failed); null where there are none.';
comment on column drip_report.sequence_overview.delivered is 'Messages whose delivery the provider confirmed; null where none was ever reported.';
comment on column drip_report.sequence_overview.delivery_rate is 'delivered / messages_sent; null where delivery is never reported.';
comment on column drip_report.sequence_overview.bounce_rate is 'messages_bounced / messages_sent.';
comment on column drip_report.sequence_overview.open_rate is 'messages_opened / (messages_sent - messages_bounced).';
comment on column drip_report.sequence_overview.click_rate is 'messages_clicked / (messages_sent - messages_bounced).';
comment on column drip_report.sequence_overview.machine_opens is 'Messages opened by a machine.';
comment on column drip_report.sequence_overview.machine_clicks is 'Messages whose link was followed by a machine.';
comment on column drip_report.sequence_overview.reply_rate is 'replies / contacted.';
comment on column drip_report.sequence_overview.unsubscribe_rate is 'unsubscribes / contacted.';
comment on column drip_report.sequence_overview.complaint_rate is 'complaints / contacted.';
comment on column drip_report.sequence_overview.conversion_rate is 'conversions / contacted.';
comment on column drip_report.sequence_overview.messages_bounced is 'Messages that came back after they were accepted.';
comment on column drip_report.sequence_overview.messages_opened is 'Messages with a human open, of those that did not come back.';
comment on column drip_report.sequence_overview.messages_clicked is 'Messages with a human click, of those that did not come back.';
comment on column drip_report.sequence_overview.replies is 'Contacted enrollments of the cohort with a human reply.';
comment on column drip_report.sequence_overview.unsubscribes is 'Contacted enrollments of the cohort with an unsubscribe (complaints are apart).';
comment on column drip_report.sequence_overview.complaints is 'Contacted enrollments of the cohort with a spam complaint.';
comment on column drip_report.sequence_overview.conversions is 'Contacted enrollments of the cohort with the goal reached.';
