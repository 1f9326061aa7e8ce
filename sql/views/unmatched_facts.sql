drop view if exists drip_report.unmatched_facts;
create view drip_report.unmatched_facts
with (security_invoker = true, security_barrier = true)
as
select
  p.organization_id,
  'provider_event' as kind,
  p.id as fact_id,
  p.type::text as type,
  p.state::text as state,
  q.key as sequence_key,
  null::text as channel,
  p.occurred_at,
  p.recorded_at,
  p.next_try_at
from drip_core.provider_events as p
left join drip_core.enrollments as e on p.organization_id = e.organization_id and p.enrollment_id = e.id
left join drip_core.sequences as q on e.organization_id = q.organization_id and e.sequence_id = q.id
where p.state in ('parked', 'unmatched')

union all

select
  i.organization_id,
  'inbound' as kind,
  i.id as fact_id,
  i.class::text as type,
  i.state::text as state,
  q.key as sequence_key,
  i.channel::text as channel,
  i.received_at as occurred_at,
  i.recorded_at,
  i.next_try_at
from drip_core.inbound_messages as i
left join drip_core.enrollments as e on i.organization_id = e.organization_id and i.enrollment_id = e.id
left join drip_core.sequences as q on e.organization_id = q.organization_id and e.sequence_id = q.id
where i.state in ('parked', 'unmatched');

revoke all on drip_report.unmatched_facts from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.unmatched_facts to drip_analyst;
comment on view drip_report.unmatched_facts is
'Provider events and inbound messages whose message is not known: early ones, for which drip.tick looks again, and those that name none of ours.';
comment on column drip_report.unmatched_facts.organization_id is 'The tenant.';
comment on column drip_report.unmatched_facts.kind is 'provider_event or inbound.';
comment on column drip_report.unmatched_facts.fact_id is 'Id of the event or message.';
comment on column drip_report.unmatched_facts.type is 'What was reported, or the class of the inbound message.';
comment on column drip_report.unmatched_facts.state is 'parked: looked for again; unmatched: given up.';
comment on column drip_report.unmatched_facts.sequence_key is 'Key of the sequence, where the fact says which (an early one).';
comment on column drip_report.unmatched_facts.channel is 'Channel of an inbound message.';
comment on column drip_report.unmatched_facts.occurred_at is 'When it happened.';
comment on column drip_report.unmatched_facts.recorded_at is 'When it was recorded.';
comment on column drip_report.unmatched_facts.next_try_at is 'When drip.tick looks again.';
