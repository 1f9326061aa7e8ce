-- requires: functions/internal/_effective_limit.sql
drop view if exists drip_report.lane_status;
create view drip_report.lane_status
with (security_invoker = true, security_barrier = true)
as
with clock as materialized (
  select drip_core.now() as at
),

-- all backlogs in one pass over the due index, a group per queue; a scan per lane was a thousand times slower at 5,000 lanes
queues as (
  select
    e.organization_id,
    e.channel_account_id,
    e.sequence_id,
    count(*) as waiting,
    count(*) filter (where e.next_step_at <= clock.at) as due,
    min(e.next_step_at) as next_due_at
  from drip_core.enrollments as e
  cross join clock
  where e.status = 'active' and e.next_step_at is not null and e.lease_expires_at is null
  group by e.organization_id, e.channel_account_id, e.sequence_id
),

backlogs as (
  select
    q.organization_id,
    q.channel_account_id,
    sum(q.waiting)::bigint as waiting,
    sum(q.due)::bigint as due,
    coalesce(sum(q.waiting) filter (where s.status <> 'active'), 0)::bigint as in_paused_sequences,
    min(q.next_due_at) filter (where s.status = 'active') as next_due_at
  from queues as q
  inner join drip_core.sequences as s on q.organization_id = s.organization_id and q.sequence_id = s.id
  group by q.organization_id, q.channel_account_id
)

select
  l.organization_id,
  a.key as channel_account_key,
  l.channel_account_id,
  a.channel::text as channel,
  l.status::text as status,
  case
    when l.status <> 'active' then l.reason::text
    when c.used >= c.effective_limit then 'daily_limit'
    when l.next_slot_at > clock.at then coalesce(l.slot_reason::text, 'pacing')
  end as reason,
  l.detail,
  coalesce(w.waiting, 0) as waiting,
  coalesce(w.due, 0) as due,
  l.leased as in_flight,
  l.held,
  greatest(c.used - l.leased - l.held, 0) as sent_today,
  c.effective_limit,
  greatest(
    l.next_slot_at,
    case when c.used >= c.effective_limit then (c.today + 1)::timestamp at time zone c.timezone end
  ) as next_slot_at,
  coalesce(w.in_paused_sequences, 0) as in_paused_sequences,
  w.next_due_at,
  case
    when l.status <> 'active' then coalesce(l.reason::text, 'sender_' || l.status)
    when c.used >= c.effective_limit then 'daily_limit'
    when l.next_slot_at > clock.at then coalesce(l.slot_reason::text, 'pacing')
    when a.min_gap is not null and l.leased > 0 then 'in_flight'
    when w.next_due_at <= clock.at then null
    when w.due > 0 then 'sequence_paused'
    when w.next_due_at is not null then 'not_yet_due'
    when w.waiting > 0 then 'sequence_paused'
    else 'nothing_waits'
  end as idle_because
from drip_core.lanes as l
cross join clock
inner join drip_core.channel_accounts as a on l.organization_id = a.organization_id and l.channel_account_id = a.id
inner join drip_core.organizations as o on l.organization_id = o.id
left join backlogs as w on l.organization_id = w.organization_id and l.channel_account_id = w.channel_account_id
cross join
  lateral (
    select
      coalesce(a.timezone, o.timezone) as timezone,
      greatest(l.counter_day, (clock.at at time zone coalesce(a.timezone, o.timezone))::date) as today
  ) as n
cross join
  lateral (
    select
      n.timezone,
      n.today,
      case when l.counter_day is null or n.today > l.counter_day then l.leased + l.held else l.used end as used,
      drip_core._effective_limit(least(a.daily_limit, a.provider_limit), a.ramp_start, a.ramp_increment, l.first_claim_day, n.today) as effective_limit
  ) as c;

revoke all on drip_report.lane_status from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.lane_status to drip_analyst;
comment on view drip_report.lane_status is
'One row per sender: whether it may send now and why not, what waits for it, what it sent on its local day.';
comment on column drip_report.lane_status.organization_id is 'The tenant.';
comment on column drip_report.lane_status.channel_account_key is 'Key of the sender.';
comment on column drip_report.lane_status.channel_account_id is 'Id of the sender.';
comment on column drip_report.lane_status.channel is 'Channel of the sender.';
comment on column drip_report.lane_status.status is 'active, paused or blocked.';
comment on column drip_report.lane_status.reason is 'Why it does not send now; null when it may.';
comment on column drip_report.lane_status.detail is 'What a person or the provider said about it.';
comment on column drip_report.lane_status.waiting is 'Active enrollments whose next message leaves by this sender and is not in flight.';
comment on column drip_report.lane_status.due is 'Those of them whose time has come.';
comment on column drip_report.lane_status.in_flight is 'Messages claimed and not yet settled.';
comment on column drip_report.lane_status.held is 'Messages whose outcome nobody knows.';
comment on column drip_report.lane_status.sent_today is 'Messages sent on the local day of the sender.';
comment on column drip_report.lane_status.effective_limit is 'Messages it may send today, by daily limit, ramp and what its provider allows; null for no limit.';
comment on column drip_report.lane_status.next_slot_at is 'Earliest next send where a gap, a limit or the provider makes it wait; null or past: at once.';
comment on column drip_report.lane_status.in_paused_sequences is 'Those of waiting whose sequence is paused: nothing is claimed for them.';
comment on column drip_report.lane_status.next_due_at is 'When the earliest of the others is due; null where there is none.';
comment on column drip_report.lane_status.idle_because is
'Why nothing leaves at this moment: the reason, or in_flight (a sender with a gap waits for its message), sequence_paused, not_yet_due, nothing_waits; null: the next claim takes something.';
