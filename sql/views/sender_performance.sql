drop view if exists drip_report.sender_performance;
create view drip_report.sender_performance
with (security_invoker = true, security_barrier = true)
as
with counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    x.channel_account_id,
    sum(x.messages_sent) as messages_sent,
    sum(x.messages_failed) as messages_failed,
    sum(x.delivered) as delivered,
    sum(x.messages_bounced) as messages_bounced,
    sum(x.messages_opened) as messages_opened,
    sum(x.messages_clicked) as messages_clicked,
    sum(x.machine_opens) as machine_opens,
    sum(x.machine_clicks) as machine_clicks,
    sum(x.sender_contacted) as sender_contacted,
    sum(x.sender_replies) as sender_replies,
    sum(x.sender_unsubscribes) as sender_unsubscribes,
    sum(x.sender_complaints) as sender_complaints,
    sum(x.sender_conversions) as sender_conversions
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.channel_account_id,
      c.messages_sent,
      c.messages_failed,
      c.delivered,
      c.messages_bounced,
      c.messages_opened,
      c.messages_clicked,
      c.machine_opens,
      c.machine_clicks,
      c.sender_contacted,
      c.sender_replies,
      c.sender_unsubscribes,
      c.sender_complaints,
      c.sender_conversions
    from drip_core.report_cells as c
    where c.scope = 'step'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.channel_account_id,
      d.messages_sent,
      d.messages_failed,
      d.delivered,
      d.messages_bounced,
      d.messages_opened,
      d.messages_clicked,
      d.machine_opens,
      d.machine_clicks,
      d.sender_contacted,
      d.sender_replies,
      d.sender_unsubscribes,
      d.sender_complaints,
      d.sender_conversions
    from drip_core.report_deltas as d
    where d.scope = 'step' or (d.scope is null and d.outcome is null and d.step_id is not null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.channel_account_id
)

select
  c.organization_id,
  s.key as sequence_key,
  c.version,
  a.key as channel_account_key,
  a.channel::text as channel,
  c.sender_contacted as contacted,
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
  c.sender_replies::numeric / nullif(c.sender_contacted, 0) as reply_rate,
  c.sender_unsubscribes::numeric / nullif(c.sender_contacted, 0) as unsubscribe_rate,
  c.sender_complaints::numeric / nullif(c.sender_contacted, 0) as complaint_rate,
  c.sender_conversions::numeric / nullif(c.sender_contacted, 0) as conversion_rate,
  c.messages_bounced,
  c.messages_opened,
  c.messages_clicked,
  c.sender_replies as replies,
  c.sender_unsubscribes as unsubscribes,
  c.sender_complaints as complaints,
  c.sender_conversions as conversions
from counts as c
inner join drip_core.channel_accounts as a on c.organization_id = a.organization_id and c.channel_account_id = a.id
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
where c.messages_sent > 0 or c.messages_failed > 0;

revoke all on drip_report.sender_performance from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.sender_performance to drip_analyst;
comment on view drip_report.sender_performance is
'One row per sender, sequence and version of enrollment (the cohort): what came of the messages it sent. Counts add up over sequences.';
comment on column drip_report.sender_performance.organization_id is 'The tenant.';
comment on column drip_report.sender_performance.sequence_key is 'Key of the sequence.';
comment on column drip_report.sender_performance.version is 'The version at enrollment: the cohort.';
comment on column drip_report.sender_performance.channel_account_key is 'Key of the sender.';
comment on column drip_report.sender_performance.channel is 'Channel of the sender.';
comment on column drip_report.sender_performance.contacted is 'Enrollments with at least one message sent by this sender.';
comment on column drip_report.sender_performance.messages_sent is 'Messages a provider accepted.';
comment on column drip_report.sender_performance.messages_failed is 'Messages given up: retries exhausted or rejected.';
comment on column drip_report.sender_performance.success_rate is 'messages_sent / (messages_sent + messages_failed); null where there are none.';
comment on column drip_report.sender_performance.delivered is 'Messages whose delivery the provider confirmed; null where none was ever reported.';
comment on column drip_report.sender_performance.delivery_rate is 'delivered / messages_sent; null where delivery is never reported.';
comment on column drip_report.sender_performance.bounce_rate is 'messages_bounced / messages_sent.';
comment on column drip_report.sender_performance.open_rate is 'messages_opened / (messages_sent - messages_bounced).';
comment on column drip_report.sender_performance.click_rate is 'messages_clicked / (messages_sent - messages_bounced).';
comment on column drip_report.sender_performance.machine_opens is 'Messages opened by a machine.';
comment on column drip_report.sender_performance.machine_clicks is 'Messages whose link was followed by a machine.';
comment on column drip_report.sender_performance.reply_rate is 'replies / contacted.';
comment on column drip_report.sender_performance.unsubscribe_rate is 'unsubscribes / contacted.';
comment on column drip_report.sender_performance.complaint_rate is 'complaints / contacted.';
comment on column drip_report.sender_performance.conversion_rate is 'conversions / contacted.';
comment on column drip_report.sender_performance.messages_bounced is 'Messages that came back after they were accepted.';
comment on column drip_report.sender_performance.messages_opened is 'Messages with a human open, of those that did not come back.';
comment on column drip_report.sender_performance.messages_clicked is 'Messages with a human click, of those that did not come back.';
comment on column drip_report.sender_performance.replies is 'Enrollments with a human reply to a message of this sender.';
comment on column drip_report.sender_performance.unsubscribes is 'Enrollments with an unsubscribe (complaints are apart) that answers a message of this sender.';
comment on column drip_report.sender_performance.complaints is 'Enrollments with a spam complaint about a message of this sender.';
comment on column drip_report.sender_performance.conversions is 'Enrollments with the goal reached after a message of this sender.';
