drop view if exists drip_report.unknown_outcomes;
create view drip_report.unknown_outcomes
with (security_invoker = true, security_barrier = true)
as
select
  h.organization_id,
  s.key as sequence_key,
  st.version,
  st.key as step_key,
  a.key as channel_account_key,
  h.enrollment_id,
  h.claim_token,
  e.contact_id,
  h.handed_over_at,
  h.held_at,
  h.error_code
from drip_core.held_messages as h
inner join drip_core.enrollments as e on h.organization_id = e.organization_id and h.enrollment_id = e.id
inner join drip_core.sequences as s on e.organization_id = s.organization_id and e.sequence_id = s.id
inner join drip_core.steps as st on h.organization_id = st.organization_id and h.step_id = st.id
inner join drip_core.channel_accounts as a on h.organization_id = a.organization_id and h.channel_account_id = a.id;

revoke all on drip_report.unknown_outcomes from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.unknown_outcomes to drip_analyst;
comment on view drip_report.unknown_outcomes is
'Messages that were handed to a provider and whose outcome nobody knows; drip.resolve_unknown settles one.';
comment on column drip_report.unknown_outcomes.organization_id is 'The tenant.';
comment on column drip_report.unknown_outcomes.sequence_key is 'Key of the sequence.';
comment on column drip_report.unknown_outcomes.version is 'Version of the step.';
comment on column drip_report.unknown_outcomes.step_key is 'Key of the step.';
comment on column drip_report.unknown_outcomes.channel_account_key is 'Key of the sender.';
comment on column drip_report.unknown_outcomes.enrollment_id is 'The enrollment; argument of drip.resolve_unknown.';
comment on column drip_report.unknown_outcomes.claim_token is 'The claim; argument of drip.resolve_unknown.';
comment on column drip_report.unknown_outcomes.contact_id is 'The contact.';
comment on column drip_report.unknown_outcomes.handed_over_at is 'When the message was handed to the provider.';
comment on column drip_report.unknown_outcomes.held_at is 'Since when it is held.';
comment on column drip_report.unknown_outcomes.error_code is 'What the provider said last, if anything.';
