drop view if exists drip_report.sequence_overview;
create view drip_report.sequence_overview
with (security_invoker = true, security_barrier = true)
as
with enrolled as (
  select
    e.organization_id,
    e.sequence_id,
    e.version,
    count(*) as enrolled,
    count(*) filter (where e.status = 'active') as active,
    count(*) filter (where e.status = 'paused') as paused,
    count(*) filter (where e.status = 'completed') as completed,
    count(*) filter (where e.status = 'failed') as failed,
    count(*) filter (where e.status = 'exited') as exited,
    count(*) filter (where e.status = 'removed') as removed,
    count(*) filter (where e.status = 'bounced') as bounced,
    count(*) filter (where e.status = 'unsubscribed') as unsubscribed
  from drip_core.enrollments as e
  group by e.organization_id, e.sequence_id, e.version
),

messages as (
  select
    m.organization_id,
    m.sequence_id,
    m.version,
    count(*) filter (where m.status = 'sent') as messages_sent,
    count(*) filter (where m.status = 'failed') as messages_failed,
    count(distinct m.enrollment_id) filter (where m.status = 'sent') as contacted
  from drip_core.messages as m
  group by m.organization_id, m.sequence_id, m.version
),

-- facts about a message are counted once per message, facts about an enrollment once per enrollment
facts as (
  select
    f.organization_id,
    f.sequence_id,
    f.version,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'delivered') as delivered,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'bounced' and f.is_of_sent) as messages_bounced,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'opened' and f.is_machine is not true) as opens,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'clicked' and f.is_machine is not true) as clicks,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'opened' and f.is_machine) as machine_opens,
    count(distinct row(f.enrollment_id, f.step_id)) filter (where f.type = 'clicked' and f.is_machine) as machine_clicks,
    count(distinct f.enrollment_id) filter (where f.type = 'replied' and f.is_contacted) as replies,
    count(distinct f.enrollment_id) filter (where f.type = 'unsubscribed' and f.is_contacted) as unsubscribes,
    count(distinct f.enrollment_id) filter (where f.type = 'complained' and f.is_contacted) as complaints,
    count(distinct f.enrollment_id) filter (where f.type = 'converted' and f.is_contacted) as conversions
  from (
    select
      v.organization_id,
      v.sequence_id,
      v.version,
      v.enrollment_id,
      v.step_id,
      v.type,
      v.is_machine,
      exists(
        select from drip_core.messages as m
        where m.organization_id = v.organization_id and m.enrollment_id = v.enrollment_id and m.step_id = v.step_id and m.status = 'sent'
      ) as is_of_sent,
      exists(
        select from drip_core.messages as m
        where m.organization_id = v.organization_id and m.enrollment_id = v.enrollment_id and m.status = 'sent'
      ) as is_contacted
    from drip_core.events as v
    where
      v.type in (
        'delivered', 'bounced', 'opened', 'clicked', 'replied', 'unsubscribed', 'complained', 'converted'
      )
      -- who complains has complained; that it ends like an unsubscribe makes it none
      and (v.type <> 'unsubscribed' or v.reason is distinct from 'complained')
      and not v.is_test
      and v.enrollment_id is not null
  ) as f
  group by f.organization_id, f.sequence_id, f.version
)

select
  s.organization_id,
  s.key as sequence_key,
  s.name as sequence_name,
  v.version,
  s.status::text as sequence_status,
  coalesce(e.enrolled, 0) as enrolled,
  coalesce(e.active, 0) as active,
  coalesce(e.paused, 0) as paused,
  coalesce(e.completed, 0) as completed,
  coalesce(e.failed, 0) as failed,
  coalesce(e.exited, 0) as exited,
  coalesce(e.removed, 0) as removed,
  coalesce(e.bounced, 0) as bounced,
  coalesce(e.unsubscribed, 0) as unsubscribed,
  coalesce(m.contacted, 0) as contacted,
  coalesce(m.messages_sent, 0) as messages_sent,
  coalesce(m.messages_failed, 0) as messages_failed,
  m.messages_sent::numeric / nullif(m.messages_sent + m.messages_failed, 0) as success_rate,
  nullif(f.delivered, 0) as delivered,
  nullif(f.delivered, 0)::numeric / nullif(m.messages_sent, 0) as delivery_rate,
  coalesce(f.messages_bounced, 0)::numeric / nullif(m.messages_sent, 0) as bounce_rate,
  coalesce(f.opens, 0)::numeric / nullif(m.messages_sent - coalesce(f.messages_bounced, 0), 0) as open_rate,
  coalesce(f.clicks, 0)::numeric / nullif(m.messages_sent - coalesce(f.messages_bounced, 0), 0) as click_rate,
  coalesce(f.machine_opens, 0) as machine_opens,
  coalesce(f.machine_clicks, 0) as machine_clicks,
  coalesce(f.replies, 0)::numeric / nullif(m.contacted, 0) as reply_rate,
  coalesce(f.unsubscribes, 0)::numeric / nullif(m.contacted, 0) as unsubscribe_rate,
  coalesce(f.complaints, 0)::numeric / nullif(m.contacted, 0) as complaint_rate,
  coalesce(f.conversions, 0)::numeric / nullif(m.contacted, 0) as conversion_rate
from drip_core.sequences as s
inner join drip_core.sequence_versions as v on s.organization_id = v.organization_id and s.id = v.sequence_id
left join enrolled as e on v.organization_id = e.organization_id and v.sequence_id = e.sequence_id and v.version = e.version
left join messages as m on v.organization_id = m.organization_id and v.sequence_id = m.sequence_id and v.version = m.version
left join facts as f on v.organization_id = f.organization_id and v.sequence_id = f.sequence_id and v.version = f.version
where v.version = s.current_version or e.enrolled > 0;

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
comment on column drip_report.sequence_overview.success_rate is 'messages_sent / (messages_sent + messages_failed).';
comment on column drip_report.sequence_overview.delivered is 'Messages whose delivery the provider confirmed; null where none was ever reported.';
comment on column drip_report.sequence_overview.delivery_rate is 'delivered / messages_sent; null where delivery is never reported.';
comment on column drip_report.sequence_overview.bounce_rate is 'Messages that came back after they were accepted / messages_sent.';
comment on column drip_report.sequence_overview.open_rate is 'Messages with a human open / (sent - bounced).';
comment on column drip_report.sequence_overview.click_rate is 'Messages with a human click / (sent - bounced).';
comment on column drip_report.sequence_overview.machine_opens is 'Messages opened by a machine.';
comment on column drip_report.sequence_overview.machine_clicks is 'Messages whose link was followed by a machine.';
comment on column drip_report.sequence_overview.reply_rate is 'Enrollments with a human reply / contacted.';
comment on column drip_report.sequence_overview.unsubscribe_rate is 'Enrollments of the cohort that unsubscribed (complaints are in complaint_rate) / contacted.';
comment on column drip_report.sequence_overview.complaint_rate is 'Enrollments with a spam complaint / contacted.';
comment on column drip_report.sequence_overview.conversion_rate is 'Enrollments that reached the goal / contacted.';
