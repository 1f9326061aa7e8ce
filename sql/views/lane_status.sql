-- requires: functions/internal/_effective_limit.sql
drop view if exists drip_report.lane_status;
create view drip_report.lane_status
with (security_invoker = true, security_barrier = true)
as
select
  l.organization_id,
  a.key as channel_account_key,
  l.channel_account_id,
  a.channel::text as channel,
  l.status::text as status,
  case
    when l.status <> 'active' then l.reason::text
    when c.used >= c.effective_limit then 'daily_limit'
    when l.next_slot_at > c.at then coalesce(l.slot_reason::text, 'pacing')
  end as reason,
  l.detail,
  w.waiting,
  w.due,
  l.leased as in_flight,
  l.held,
  greatest(c.used - l.leased - l.held, 0) as sent_today,
  c.effective_limit,
  greatest(
    l.next_slot_at,
    case when c.used >= c.effective_limit then (c.today + 1)::timestamp at time zone c.timezone end
  ) as next_slot_at
from drip_core.lanes as l
inner join drip_core.channel_accounts as a on l.organization_id = a.organization_id and l.channel_account_id = a.id
inner join drip_core.organizations as o on l.organization_id = o.id
cross join
  lateral (
    select
      drip_core.now() as at,
      coalesce(a.timezone, o.timezone) as timezone
  ) as n
cross join
  lateral (
    select
      n.at,
      n.timezone,
      greatest(l.counter_day, (n.at at time zone n.timezone)::date) as today,
      case
        when l.counter_day is null or (n.at at time zone n.timezone)::date > l.counter_day then l.leased + l.held
        else l.used
      end as used,
      drip_core._effective_limit(
        a.daily_limit, a.ramp_start, a.ramp_increment, l.first_claim_day,
        greatest(l.counter_day, (n.at at time zone n.timezone)::date)
      ) as effective_limit
  ) as c
cross join lateral (
  select
    count(*) as waiting,
    count(*) filter (where e.next_step_at <= c.at) as due
  from drip_core.enrollments as e
  where
    e.organization_id = l.organization_id
    and e.channel_account_id = l.channel_account_id
    and e.status = 'active'
    and e.next_step_at is not null
    and e.lease_expires_at is null
) as w;

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
comment on column drip_report.lane_status.effective_limit is 'Messages it may send today, by daily limit and ramp; null for no limit.';
comment on column drip_report.lane_status.next_slot_at is 'Earliest next send where a gap, a limit or the provider makes it wait; null or past: at once.';
