drop view if exists drip_report.reaction_failures;
create view drip_report.reaction_failures
with (security_invoker = true, security_barrier = true)
as
select
  f.organization_id,
  f.id as failure_id,
  f.kind::text as kind,
  f.fact_id,
  f.contact_id,
  f.enrollment_id,
  q.key as sequence_key,
  f.reason::text as reason,
  f.occurred_at,
  f.failed_at,
  f.error_code,
  f.attempts,
  f.next_try_at,
  f.resolved_at
from drip_core.reaction_failures as f
left join drip_core.enrollments as e on f.organization_id = e.organization_id and f.enrollment_id = e.id
left join drip_core.sequences as q on e.organization_id = q.organization_id and e.sequence_id = q.id;

revoke all on drip_report.reaction_failures from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.reaction_failures to drip_analyst;
comment on view drip_report.reaction_failures is
'Writes (inbound messages, provider events, deals, tags) that landed although what a campaign makes of them failed. Until resolved_at is set the claim keeps back what they would have stopped, and drip.tick tries again.';
comment on column drip_report.reaction_failures.organization_id is 'The tenant.';
comment on column drip_report.reaction_failures.failure_id is 'Names the failure.';
comment on column drip_report.reaction_failures.kind is 'inbound, provider_event, deal or tag.';
comment on column drip_report.reaction_failures.fact_id is 'Id of the inbound message, provider event, deal, or (tag) contact.';
comment on column drip_report.reaction_failures.contact_id is 'The contact, where it is known.';
comment on column drip_report.reaction_failures.enrollment_id is 'The enrollment, where it is known.';
comment on column drip_report.reaction_failures.sequence_key is 'Key of the sequence, where the enrollment is known.';
comment on column drip_report.reaction_failures.reason is 'For which reason enrollments would have stopped; null: for none.';
comment on column drip_report.reaction_failures.occurred_at is 'When it happened.';
comment on column drip_report.reaction_failures.failed_at is 'When the reaction failed first.';
comment on column drip_report.reaction_failures.error_code is 'SQLSTATE of the last failure.';
comment on column drip_report.reaction_failures.attempts is 'How often it was tried.';
comment on column drip_report.reaction_failures.next_try_at is 'When drip.tick tries again.';
comment on column drip_report.reaction_failures.resolved_at is 'When it worked; null: not yet.';
