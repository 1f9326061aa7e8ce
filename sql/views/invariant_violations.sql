-- owner: drip_engine
drop view if exists drip_core.invariant_violations;
create view drip_core.invariant_violations
with (security_invoker = true)
as
with
leased as (
  select
    e.organization_id,
    e.channel_account_id,
    count(*) as n
  from drip_core.enrollments as e
  where e.lease_expires_at is not null
  group by e.organization_id, e.channel_account_id
),

held as (
  select
    h.organization_id,
    h.channel_account_id,
    count(*) as n
  from drip_core.held_messages as h
  group by h.organization_id, h.channel_account_id
),

sent as (
  select
    m.organization_id,
    m.channel_account_id,
    m.lane_day,
    count(*) as n
  from drip_core.messages as m
  where m.status = 'sent'
  group by m.organization_id, m.channel_account_id, m.lane_day
)

select
  'lane counters equal the rows' as rule,
  l.organization_id,
  format(
    'lane %s: leased %s (rows %s), held %s (rows %s), used %s (rows %s)',
    l.channel_account_id, l.leased, r.leased, l.held, r.held, l.used, r.leased + r.held + r.sent
  ) as detail
from drip_core.lanes as l
left join leased on l.organization_id = leased.organization_id and l.channel_account_id = leased.channel_account_id
left join held on l.organization_id = held.organization_id and l.channel_account_id = held.channel_account_id
left join sent
  on l.organization_id = sent.organization_id and l.channel_account_id = sent.channel_account_id and l.counter_day = sent.lane_day
cross join
  lateral (
    select
      coalesce(leased.n, 0) as leased,
      coalesce(held.n, 0) as held,
      coalesce(sent.n, 0) as sent
  ) as r
where l.leased <> r.leased or l.held <> r.held or l.used <> r.leased + r.held + r.sent

union all

select
  'an unsettled claim is leased or held' as rule,
  e.organization_id,
  format('enrollment %s: token %s, lease %s, held %s', e.id, e.claim_token, e.lease_expires_at, h.enrollment_id is not null) as detail
from drip_core.enrollments as e
left join drip_core.held_messages as h
  on e.organization_id = h.organization_id and e.id = h.enrollment_id and e.claim_token = h.claim_token
where (e.claim_token is not null) <> (e.lease_expires_at is not null or h.enrollment_id is not null)
  or (e.lease_expires_at is not null and h.enrollment_id is not null)

union all

select
  'a status is what its last event says' as rule,
  e.organization_id,
  format('enrollment %s: status %s, last event %s', e.id, e.status, last.type) as detail
from drip_core.enrollments as e
left join lateral (
  select v.type
  from drip_core.events as v
  where v.organization_id = e.organization_id and v.enrollment_id = e.id
    and (v.type = 'enrolled' or v.type in (select t.event_type from drip_core.status_transitions as t))
    -- of these two, one with a channel is about a message
    and not (v.type in ('bounced', 'unsubscribed') and v.channel is not null)
  order by v.id desc
  limit 1
) as last on true
where last.type is distinct from case e.status when 'active' then last.type else e.status::text::drip.event_type end
  or (e.status = 'active' and last.type not in ('enrolled', 'resumed'))
  or last.type is null

union all

select
  'a sent message has one sent event' as rule,
  m.organization_id,
  format('enrollment %s, step %s: %s events', m.enrollment_id, m.step_id, count(v.id)) as detail
from drip_core.messages as m
left join drip_core.events as v
  on m.organization_id = v.organization_id and m.enrollment_id = v.enrollment_id and m.step_id = v.step_id and v.type = 'sent'
where m.status = 'sent'
group by m.organization_id, m.enrollment_id, m.step_id
having count(v.id) <> 1

union all

select
  'a message is of an enrollment, of a step of its sequence and of a sender, all of its organization' as rule,
  m.organization_id,
  format('enrollment %s, step %s, sender %s', m.enrollment_id, m.step_id, m.channel_account_id) as detail
from drip_core.messages as m
left join drip_core.enrollments as e on m.organization_id = e.organization_id and m.enrollment_id = e.id
left join drip_core.steps as s on m.organization_id = s.organization_id and m.step_id = s.id
left join drip_core.channel_accounts as a on m.organization_id = a.organization_id and m.channel_account_id = a.id
where e.contact_id is distinct from m.contact_id or e.sequence_id is distinct from m.sequence_id
  or s.sequence_id is distinct from m.sequence_id or s.channel is distinct from m.channel or a.channel is distinct from m.channel

union all

select
  'an enrollment is of a version of its sequence' as rule,
  e.organization_id,
  format('enrollment %s: sequence %s, version %s', e.id, e.sequence_id, e.version) as detail
from drip_core.enrollments as e
left join drip_core.sequence_versions as v
  on e.organization_id = v.organization_id and e.sequence_id = v.sequence_id and e.version = v.version
where v.version is null

union all

select
  'an active enrollment waits in a queue that is open with its sequence' as rule,
  e.organization_id,
  format('enrollment %s: queue %s, sequence %s', e.id, case when q.is_open then 'open' when q.is_open is null then 'missing' else 'closed' end, s.status)
    as detail
from drip_core.enrollments as e
inner join drip_core.sequences as s on e.organization_id = s.organization_id and e.sequence_id = s.id
left join drip_core.queues as q
  on e.organization_id = q.organization_id and e.channel_account_id = q.channel_account_id and e.sequence_id = q.sequence_id
where e.status = 'active' and q.is_open is distinct from (s.status = 'active')

union all

select
  'an ended enrollment whose message is in flight is found by its lease' as rule,
  e.organization_id,
  format('enrollment %s: status %s', e.id, e.status) as detail
from drip_core.enrollments as e
where e.lease_expires_at is not null and e.status <> 'active'
  and not exists (
    select from drip_core.detached_claims as d
    where d.organization_id = e.organization_id and d.enrollment_id = e.id and d.claim_token = e.claim_token
  )

union all

select
  'the reports count the enrollments and messages that there are' as rule,
  r.organization_id,
  format('sequence %s, version %s: enrolled %s (rows %s), %s', r.sequence_id, r.version, r.enrolled, n.enrolled, to_jsonb(r) - 'enrolled') as detail
from (
  select
    c.organization_id,
    c.sequence_id,
    c.version,
    sum(c.enrolled) as enrolled,
    sum(c.active) as active,
    sum(c.paused) as paused,
    sum(c.ended) as ended,
    sum(c.contacted) as contacted,
    sum(c.messages_sent) as messages_sent,
    sum(c.messages_failed) as messages_failed
  from (
    select
      x.organization_id,
      x.sequence_id,
      x.version,
      x.enrolled,
      x.active,
      x.paused,
      x.completed + x.failed + x.exited + x.removed + x.bounced + x.unsubscribed as ended,
      x.contacted,
      x.messages_sent,
      x.messages_failed
    from drip_core.report_cells as x
    where x.scope = 'cohort'
    union all
    select
      x.organization_id,
      x.sequence_id,
      x.version,
      x.enrolled,
      x.active,
      x.paused,
      x.completed + x.failed + x.exited + x.removed + x.bounced + x.unsubscribed as ended,
      x.contacted,
      x.messages_sent,
      x.messages_failed
    from drip_core.report_deltas as x
    where x.scope = 'cohort' or (x.scope is null and x.outcome is null)
  ) as c
  group by c.organization_id, c.sequence_id, c.version
) as r
left join (
  select
    e.organization_id,
    e.sequence_id,
    e.version,
    count(*) as enrolled,
    count(*) filter (where e.status = 'active') as active,
    count(*) filter (where e.status = 'paused') as paused
  from drip_core.enrollments as e
  group by e.organization_id, e.sequence_id, e.version
) as n on r.organization_id = n.organization_id and r.sequence_id = n.sequence_id and r.version = n.version
left join (
  select
    m.organization_id,
    m.sequence_id,
    m.version,
    count(*) filter (where m.status = 'sent') as messages_sent,
    count(*) filter (where m.status = 'failed') as messages_failed,
    count(distinct m.enrollment_id) filter (where m.status = 'sent') as contacted
  from drip_core.messages as m
  group by m.organization_id, m.sequence_id, m.version
) as m on r.organization_id = m.organization_id and r.sequence_id = m.sequence_id and r.version = m.version
where not exists (
    select from drip_core.report_builds as b
    where b.organization_id = r.organization_id
  )
  and (r.enrolled, r.active, r.paused, r.ended, r.contacted, r.messages_sent, r.messages_failed) is distinct from (
    coalesce(n.enrolled, 0), coalesce(n.active, 0), coalesce(n.paused, 0), coalesce(n.enrolled - n.active - n.paused, 0),
    coalesce(m.contacted, 0), coalesce(m.messages_sent, 0), coalesce(m.messages_failed, 0)
  );

revoke all on drip_core.invariant_violations from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on view drip_core.invariant_violations is
'What must never be: always empty. For the operator (superuser or member of drip_engine); reads whole tables.';
comment on column drip_core.invariant_violations.rule is 'The rule that is broken.';
comment on column drip_core.invariant_violations.organization_id is 'The tenant.';
comment on column drip_core.invariant_violations.detail is 'Where, and the two sides that differ.';
