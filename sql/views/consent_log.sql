drop view if exists drip_report.consent_log;
create view drip_report.consent_log
with (security_invoker = true, security_barrier = true)
as
select
  l.organization_id,
  case l.state when 'opted_in' then 'opted_in' else 'opted_out' end as entry,
  l.is_effective,
  l.occurred_at,
  l.recorded_at,
  l.contact_id,
  l.channel,
  q.key as sequence_key,
  s.key as step_key,
  null::drip.reason as reason,
  l.basis,
  l.source,
  l.wording_version,
  l.actor_profile_id
from drip_core.consent_ledger as l
left join drip_core.steps as s on l.organization_id = s.organization_id and l.step_id = s.id
left join drip_core.sequences as q on s.organization_id = q.organization_id and s.sequence_id = q.id

union all

select
  p.organization_id,
  'suppressed' as entry,
  p.lifted_at is null as is_effective,
  p.created_at as occurred_at,
  p.created_at as recorded_at,
  null as contact_id,
  p.channel,
  q.key as sequence_key,
  null as step_key,
  p.reason,
  null as basis,
  null as source,
  null as wording_version,
  null as actor_profile_id
from drip_core.suppressions as p
left join drip_core.sequences as q on p.organization_id = q.organization_id and p.sequence_id = q.id

union all

select
  p.organization_id,
  'lifted' as entry,
  true as is_effective,
  p.lifted_at as occurred_at,
  p.lifted_at as recorded_at,
  null as contact_id,
  p.channel,
  q.key as sequence_key,
  null as step_key,
  p.reason,
  null as basis,
  null as source,
  null as wording_version,
  p.lifted_by as actor_profile_id
from drip_core.suppressions as p
left join drip_core.sequences as q on p.organization_id = q.organization_id and p.sequence_id = q.id
where p.lifted_at is not null;

revoke all on drip_report.consent_log from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.consent_log to drip_analyst;
comment on view drip_report.consent_log is
'Everything that was said of consent, and every address that was suppressed or let go again, without addresses: the proof of what was done when.';
comment on column drip_report.consent_log.organization_id is 'The tenant.';
comment on column drip_report.consent_log.entry is 'opted_in or opted_out: a statement of a contact; suppressed or lifted: what became of an address.';
comment on column drip_report.consent_log.is_effective is 'False for a claim that changed nothing, and for a suppression that was lifted.';
comment on column drip_report.consent_log.occurred_at is 'When it was said or done.';
comment on column drip_report.consent_log.recorded_at is 'When it was written down.';
comment on column drip_report.consent_log.contact_id is 'The contact; null for entries about an address.';
comment on column drip_report.consent_log.channel is 'The channel it is about.';
comment on column drip_report.consent_log.sequence_key is 'Of an opt-out: the sequence of the message that it answers; of a suppression: the one sequence it holds for.';
comment on column drip_report.consent_log.step_key is 'The step of that message.';
comment on column drip_report.consent_log.reason is 'Why an address was suppressed.';
comment on column drip_report.consent_log.basis is 'What a consent rests on, as given.';
comment on column drip_report.consent_log.source is 'How a statement arrived: upsert, import, link, one_click, reconsent …';
comment on column drip_report.consent_log.wording_version is 'Which wording the person agreed to.';
comment on column drip_report.consent_log.actor_profile_id is 'The profile that recorded or lifted it; null for the person itself and for services.';
