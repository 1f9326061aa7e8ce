drop view if exists drip_report.delivery_errors;
create view drip_report.delivery_errors
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
    x.error_code,
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
      c.error_code,
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
      d.error_code,
      d.occurrences
    from drip_core.report_deltas as d
    where d.scope = 'outcome' or (d.scope is null and d.outcome is not null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version, x.day, x.step_id, x.channel_account_id, x.subject, x.outcome, x.reason, x.error_code
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
  c.outcome::text as outcome,
  c.reason::text as reason,
  c.error_code,
  c.occurrences as errors
from counts as c
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
left join drip_core.steps as st on c.organization_id = st.organization_id and c.step_id = st.id
left join drip_core.channel_accounts as a on c.organization_id = a.organization_id and c.channel_account_id = a.id
where c.occurrences <> 0 and c.outcome in ('attempt_failed', 'held', 'bounced') and c.subject = 'message';

revoke all on drip_report.delivery_errors from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.delivery_errors to drip_analyst;
comment on view drip_report.delivery_errors is
'One row per local day, sequence, version, step, sender, outcome, reason and error code: what providers refused and what came back.';
comment on column drip_report.delivery_errors.organization_id is 'The tenant.';
comment on column drip_report.delivery_errors.day is 'The local day (time zone of the organization) of the events.';
comment on column drip_report.delivery_errors.sequence_key is 'Key of the sequence.';
comment on column drip_report.delivery_errors.version is 'The version at enrollment: the cohort.';
comment on column drip_report.delivery_errors.step_version is 'The version that the step belongs to.';
comment on column drip_report.delivery_errors.step_key is 'The step it is about: of an end, the one that was answered or would have come next.';
comment on column drip_report.delivery_errors.channel is 'Channel of the step.';
comment on column drip_report.delivery_errors.channel_account_key is 'The sender, where it is known.';
comment on column drip_report.delivery_errors.outcome is 'attempt_failed: an attempt that the provider refused or did not answer; held: nobody knows what became of it; bounced: it came back after it was accepted.';
comment on column drip_report.delivery_errors.reason is 'Why the message was given up, held or came back; null for an attempt that is tried again.';
comment on column drip_report.delivery_errors.error_code is 'What the provider (or the DSN) said: a code, never its words; null where it said none, other where it is no code.';
comment on column drip_report.delivery_errors.errors is 'How often.';
