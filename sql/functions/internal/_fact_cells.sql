-- What the facts of some enrollments of one organization (each kind of fact about each step, with its first time) count in
-- the reports. This is where it is decided what counts: facts about a message where it was sent, opens and clicks where it
-- did not come back as well, facts about an enrollment once, where it was contacted, by the day of the first. The messages
-- of unsent are taken for not sent.
-- Locks: none. Errors: none.
create or replace function drip_core._fact_cells(
  organization_id bigint, facts drip_core.report_fact[], unsent drip_core.report_fact[] default '{}'
)
returns table (
  sequence_id bigint, version int, cohort_day date, day date, step_id bigint, channel_account_id bigint,
  reached bigint, skipped bigint, delivered bigint, messages_bounced bigint, messages_opened bigint, messages_clicked bigint,
  machine_opens bigint, machine_clicks bigint, replies bigint, unsubscribes bigint, complaints bigint, conversions bigint, step_replies
  bigint, step_unsubscribes bigint, step_complaints bigint, step_conversions bigint, sender_replies bigint, sender_unsubscribes bigint,
  sender_complaints bigint, sender_conversions bigint, channel_replies bigint, channel_unsubscribes bigint, channel_complaints bigint,
  channel_conversions bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  return query
  select
    x.sequence_id, x.version, x.cohort_day, x.day,
    case when x.is_sent or x.kind = 'skipped' then x.step_id end, x.channel_account_id,
    count(*) filter (where x.kind = 'skipped' and not x.is_sent),
    count(*) filter (where x.kind = 'skipped'),
    count(*) filter (where x.kind = 'delivered' and x.is_sent),
    count(*) filter (where x.kind = 'bounced' and x.is_sent),
    count(*) filter (where x.kind = 'opened' and x.is_sent and not x.is_bounced),
    count(*) filter (where x.kind = 'clicked' and x.is_sent and not x.is_bounced),
    count(*) filter (where x.kind = 'machine_opened' and x.is_sent),
    count(*) filter (where x.kind = 'machine_clicked' and x.is_sent),
    count(*) filter (where x.kind = 'replied' and x.is_contacted and x.enrollment_no = 1),
    count(*) filter (where x.kind = 'unsubscribed' and x.is_contacted and x.enrollment_no = 1),
    count(*) filter (where x.kind = 'complained' and x.is_contacted and x.enrollment_no = 1),
    count(*) filter (where x.kind = 'converted' and x.is_contacted and x.enrollment_no = 1),
    count(*) filter (where x.kind = 'replied' and x.is_sent),
    count(*) filter (where x.kind = 'unsubscribed' and x.is_sent),
    count(*) filter (where x.kind = 'complained' and x.is_sent),
    count(*) filter (where x.kind = 'converted' and x.is_sent),
    count(*) filter (where x.kind = 'replied' and x.is_sent and x.sender_no = 1),
    count(*) filter (where x.kind = 'unsubscribed' and x.is_sent and x.sender_no = 1),
    count(*) filter (where x.kind = 'complained' and x.is_sent and x.sender_no = 1),
    count(*) filter (where x.kind = 'converted' and x.is_sent and x.sender_no = 1),
    count(*) filter (where x.kind = 'replied' and x.is_sent and x.channel_no = 1),
    count(*) filter (where x.kind = 'unsubscribed' and x.is_sent and x.channel_no = 1),
    count(*) filter (where x.kind = 'complained' and x.is_sent and x.channel_no = 1),
    count(*) filter (where x.kind = 'converted' and x.is_sent and x.channel_no = 1)
  from (
    select
      y.*,
      bool_or(y.kind = 'bounced') over (partition by y.enrollment_id, y.step_id) as is_bounced,
      row_number() over (partition by y.enrollment_id, y.kind order by y.first_at, y.step_id) as enrollment_no,
      row_number() over (partition by y.enrollment_id, y.kind, y.channel_account_id order by y.first_at, y.step_id) as sender_no,
      row_number() over (partition by y.enrollment_id, y.kind, y.channel order by y.first_at, y.step_id) as channel_no
    from (
      select
        f.enrollment_id, f.kind, f.step_id, f.first_at, e.sequence_id, e.version,
        (e.enrolled_at at time zone o.timezone)::date as cohort_day,
        (f.first_at at time zone o.timezone)::date as day,
        m.channel_account_id, m.channel, m.enrollment_id is not null as is_sent,
        exists (
          select from drip_core.messages as k
          where k.organization_id = _fact_cells.organization_id and k.enrollment_id = f.enrollment_id and k.status = 'sent'
            and not exists (select from unnest(_fact_cells.unsent) as u where u.enrollment_id = k.enrollment_id and u.step_id = k.step_id)
        ) as is_contacted
      from unnest(_fact_cells.facts) as f
      join drip_core.organizations as o on o.id = _fact_cells.organization_id
      join drip_core.enrollments as e on e.organization_id = o.id and e.id = f.enrollment_id
      left join drip_core.messages as m
        on m.organization_id = o.id and m.enrollment_id = f.enrollment_id and m.step_id = f.step_id and m.status = 'sent'
        and not exists (select from unnest(_fact_cells.unsent) as u where u.enrollment_id = m.enrollment_id and u.step_id = m.step_id)
    ) as y
  ) as x
  group by 1, 2, 3, 4, 5, 6;
end;
$$;

revoke all on function drip_core._fact_cells(bigint, drip_core.report_fact[], drip_core.report_fact[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._fact_cells(bigint, drip_core.report_fact[], drip_core.report_fact[]) is
'What the facts of some enrollments count in the reports.';
