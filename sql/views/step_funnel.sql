drop view if exists drip_report.step_funnel;
create view drip_report.step_funnel
with (security_invoker = true, security_barrier = true)
as
with cohorts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    sum(x.enrolled) as enrolled
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.enrolled
    from drip_core.report_cells as c
    where c.scope = 'cohort'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.enrolled
    from drip_core.report_deltas as d
    where d.scope = 'cohort' or (d.scope is null and d.outcome is null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version
),

counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    x.step_id,
    sum(x.messages_sent) as messages_sent,
    sum(x.messages_failed) as messages_failed,
    sum(x.reached) as reached,
    sum(x.skipped) as skipped,
    sum(x.delivered) as delivered,
    sum(x.messages_bounced) as messages_bounced,
    sum(x.messages_opened) as messages_opened,
    sum(x.messages_clicked) as messages_clicked,
    sum(x.machine_opens) as machine_opens,
    sum(x.machine_clicks) as machine_clicks,
    sum(x.step_replies) as step_replies,
    sum(x.step_unsubscribes) as step_unsubscribes,
    sum(x.step_complaints) as step_complaints,
    sum(x.step_conversions) as step_conversions
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.step_id,
      c.messages_sent,
      c.messages_failed,
      c.reached,
      c.skipped,
      c.delivered,
      c.messages_bounced,
      c.messages_opened,
      c.messages_clicked,
      c.machine_opens,
      c.machine_clicks,
      c.step_replies,
      c.step_unsubscribes,
      c.step_complaints,
      c.step_conversions
    from drip_core.report_cells as c
    where c.scope = 'step'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.step_id,
      d.messages_sent,
      d.messages_failed,
      d.reached,
      d.skipped,
      d.delivered,
      d.messages_bounced,
      d.messages_opened,
      d.messages_clicked,
      d.machine_opens,
      d.machine_clicks,
      d.step_replies,
      d.step_unsubscribes,
      d.step_complaints,
      d.step_conversions
    from drip_core.report_deltas as d
    where d.scope = 'step' or (d.scope is null and d.outcome is null and d.step_id is not null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.step_id
)

select
  st.organization_id,
  s.key as sequence_key,
  v.version,
  st.version as step_version,
  st.step_no,
  st.key as step_key,
  st.channel::text as channel,
  coalesce(e.enrolled, 0) as enrolled,
  coalesce(c.reached, 0) as reached,
  coalesce(c.reached, 0)::numeric / nullif(e.enrolled, 0) as reach_rate,
  coalesce(c.skipped, 0) as skipped,
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
  coalesce(c.messages_bounced, 0) as messages_bounced,
  coalesce(c.messages_opened, 0) as messages_opened,
  coalesce(c.messages_clicked, 0) as messages_clicked,
  coalesce(c.step_replies, 0) as replies,
  coalesce(c.step_unsubscribes, 0) as unsubscribes,
  coalesce(c.step_complaints, 0) as complaints,
  coalesce(c.step_conversions, 0) as conversions
from drip_core.sequences as s
inner join drip_core.sequence_versions as v on s.organization_id = v.organization_id and s.id = v.sequence_id
inner join drip_core.steps as st on v.organization_id = st.organization_id and v.sequence_id = st.sequence_id
left join cohorts as e on v.organization_id = e.organization_id and v.sequence_id = e.sequence_id and v.version = e.version
left join counts as c on st.organization_id = c.organization_id and st.id = c.step_id and v.version = c.version
where st.version = v.version or c.reached > 0 or c.messages_failed > 0;

revoke all on drip_report.step_funnel from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.step_funnel to drip_analyst;
comment on view drip_report.step_funnel is
'One row per cohort (sequence and version of enrollment) and step: how many distinct enrollments it reached, and what came of its messages.';
comment on column drip_report.step_funnel.organization_id is 'The tenant.';
comment on column drip_report.step_funnel.sequence_key is 'Key of the sequence.';
comment on column drip_report.step_funnel.version is 'The version at enrollment: the cohort.';
comment on column drip_report.step_funnel.step_version is 'The version that the step belongs to: another one for steps taken after a migration.';
comment on column drip_report.step_funnel.step_no is 'Position of the step in its version, from 1.';
comment on column drip_report.step_funnel.step_key is 'Key of the step.';
comment on column drip_report.step_funnel.channel is 'Channel of the step.';
comment on column drip_report.step_funnel.enrolled is 'Enrollments of the cohort.';
comment on column drip_report.step_funnel.reached is 'Distinct enrollments of the cohort for which the step was sent or skipped.';
comment on column drip_report.step_funnel.reach_rate is 'reached / enrolled.';
comment on column drip_report.step_funnel.skipped is 'Enrollments of the cohort for which the step was skipped.';
comment on column drip_report.step_funnel.messages_sent is 'Messages a provider accepted.';
comment on column drip_report.step_funnel.messages_failed is 'Messages given up: retries exhausted or rejected.';
comment on column drip_report.step_funnel.success_rate is 'messages_sent / (messages_sent + messages_failed); null where there are none.';
comment on column drip_report.step_funnel.delivered is 'Messages whose delivery the provider confirmed; null where none was ever reported.';
comment on column drip_report.step_funnel.delivery_rate is 'delivered / messages_sent; null where delivery is never reported.';
comment on column drip_report.step_funnel.bounce_rate is 'messages_bounced / messages_sent.';
comment on column drip_report.step_funnel.open_rate is 'messages_opened / (messages_sent - messages_bounced).';
comment on column drip_report.step_funnel.click_rate is 'messages_clicked / (messages_sent - messages_bounced).';
comment on column drip_report.step_funnel.machine_opens is 'Messages opened by a machine.';
comment on column drip_report.step_funnel.machine_clicks is 'Messages whose link was followed by a machine.';
comment on column drip_report.step_funnel.messages_bounced is 'Messages that came back after they were accepted.';
comment on column drip_report.step_funnel.messages_opened is 'Messages with a human open, of those that did not come back.';
comment on column drip_report.step_funnel.messages_clicked is 'Messages with a human click, of those that did not come back.';
comment on column drip_report.step_funnel.replies is 'Enrollments with a human reply to this step.';
comment on column drip_report.step_funnel.unsubscribes is 'Enrollments with an unsubscribe (complaints are apart) that answers this step.';
comment on column drip_report.step_funnel.complaints is 'Enrollments with a spam complaint about this step.';
comment on column drip_report.step_funnel.conversions is 'Enrollments with the goal reached after this step.';
