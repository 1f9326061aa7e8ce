drop view if exists drip_report.conversions;
create view drip_report.conversions
with (security_invoker = true, security_barrier = true)
as
select
  c.organization_id,
  s.key as sequence_key,
  c.version,
  st.version as step_version,
  st.key as step_key,
  st.channel::text as channel,
  a.key as channel_account_key,
  c.enrollment_id,
  c.contact_id,
  c.converted_at,
  (c.converted_at at time zone o.timezone)::date as converted_on,
  (e.enrolled_at at time zone o.timezone)::date as enrolled_on,
  c.deal_id,
  c.amount,
  c.currency
from drip_core.report_conversions as c
inner join drip_core.organizations as o on c.organization_id = o.id
inner join drip_core.sequences as s on c.organization_id = s.organization_id and c.sequence_id = s.id
inner join drip_core.enrollments as e on c.organization_id = e.organization_id and c.enrollment_id = e.id
left join drip_core.steps as st on c.organization_id = st.organization_id and c.step_id = st.id
left join drip_core.channel_accounts as a on c.organization_id = a.organization_id and c.channel_account_id = a.id;

revoke all on drip_report.conversions from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.conversions to drip_analyst;
comment on view drip_report.conversions is
'One row per conversion: a deal reached a stage of the goal after a message had been sent. An enrollment may have several; rates count it once.';
comment on column drip_report.conversions.organization_id is 'The tenant.';
comment on column drip_report.conversions.sequence_key is 'Key of the sequence.';
comment on column drip_report.conversions.version is 'The version at enrollment: the cohort.';
comment on column drip_report.conversions.step_version is 'The version that the step belongs to.';
comment on column drip_report.conversions.step_key is 'The last message sent before: the one it follows.';
comment on column drip_report.conversions.channel is 'Channel of that message.';
comment on column drip_report.conversions.channel_account_key is 'Sender of that message.';
comment on column drip_report.conversions.enrollment_id is 'The enrollment.';
comment on column drip_report.conversions.contact_id is 'The contact.';
comment on column drip_report.conversions.converted_at is 'When the goal was reached.';
comment on column drip_report.conversions.converted_on is 'The local day of it.';
comment on column drip_report.conversions.enrolled_on is 'The local day of enrollment: the cohort in drip_report.cohorts.';
comment on column drip_report.conversions.deal_id is 'The deal that reached a stage of the goal.';
comment on column drip_report.conversions.amount is 'Its amount at that time, in currency.';
comment on column drip_report.conversions.currency is 'ISO code of the currency.';
