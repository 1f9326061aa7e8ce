drop view if exists drip_report.outcome_reasons;
create view drip_report.outcome_reasons
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
    x.subject,
    x.outcome,
    x.reason,
    sum(x.occurrences) as occurrences
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.day,
      c.step_id,
      c.channel_account_id,
      c.subject,
      c.outcome,
      c.reason,
      c.occurrences
    from drip_core.report_cells as c
    where c.scope = 'outcome'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.day,
      d.step_id,
      d.channel_account_id,
      d.subject,
      d.outcome,
      d.reason,
      d.occurrences
    from drip_core.report_deltas as d
    where d.scope = 'outcome' or (d.scope is null and d.outcome is not null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.day, x.step_id, x.channel_account_id, x.subject, x.outcome, x.reason
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
  c.subject,
  c.outcome::text as outcome,
  c.reason::text as reason,
  c.occurrences
from counts as c
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
left join drip_core.steps as st on c.organization_id = st.organization_id and c.step_id = st.id
left join drip_core.channel_accounts as a on c.organization_id = a.organization_id and c.channel_account_id = a.id
where c.occurrences <> 0;

revoke all on drip_report.outcome_reasons from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.outcome_reasons to drip_analyst;
comment on view drip_report.outcome_reasons is
'One row per local day, sequence, version, step, sender, outcome and reason: everything that did not go straight on, by its typed reason.';
comment on column drip_report.outcome_reasons.organization_id is 'The tenant.';
comment on column drip_report.outcome_reasons.day is 'The local day (time zone of the organization) of the events.';
comment on column drip_report.outcome_reasons.sequence_key is 'Key of the sequence.';
comment on column drip_report.outcome_reasons.version is 'The version at enrollment: the cohort.';
comment on column drip_report.outcome_reasons.step_version is 'The version that the step belongs to.';
comment on column drip_report.outcome_reasons.step_key is 'The step it is about: of an end, the one that was answered or would have come next.';
comment on column drip_report.outcome_reasons.channel is 'Channel of the step.';
comment on column drip_report.outcome_reasons.channel_account_key is 'The sender, where it is known.';
comment on column drip_report.outcome_reasons.subject is 'message: what became of one message or attempt; enrollment: what became of the enrollment.';
comment on column drip_report.outcome_reasons.outcome is 'skipped, attempt_failed, held, bounced, complained, paused, failed, exited, removed, unsubscribed.';
comment on column drip_report.outcome_reasons.reason is 'Why (drip_core.reasons describes each); null for an attempt that is tried again and for a pause or removal without one.';
comment on column drip_report.outcome_reasons.occurrences is 'How often.';
