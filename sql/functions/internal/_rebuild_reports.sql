-- owner: drip_engine
-- requires: functions/internal/_fact_cells.sql, functions/internal/_outcome_subject.sql, functions/internal/_plain_code.sql
-- Counts everything of an organization anew that has a day from the given one on (null: all), from the rows themselves, and
-- writes the difference from what the reports show as corrections to report_deltas. One statement does both, on one snapshot, so
-- it is exact whatever is written meanwhile, and nobody waits. Counts by reason, and automatic replies, come from the events: days
-- whose events are gone, or were reduced to facts, keep what was counted.
-- Locks: the organization's row, for which another rebuild waits; report_facts, of enrollments whose facts were not known, in id order.
-- Errors: none. A repeat changes nothing. Returns how many counts were corrected.
create or replace function drip_core._rebuild_reports(organization_id bigint, first_day date)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _rebuild_reports.organization_id;
  v_from constant date := coalesce(_rebuild_reports.first_day, '-infinity');
  v_zone text;
  v_raw_from date;
  v_facts drip_core.report_fact[];
  v_corrected bigint;
begin
  -- a row, no advisory lock: those any login may take
  select o.timezone into v_zone from drip_core.organizations as o where o.id = v_org for no key update;

  -- the first day all of whose events are here as they were written
  select greatest(
    case
      when coalesce((select min(v.recorded_at) from drip_core.events as v where v.organization_id = v_org), 'infinity')
        > (select min(e.enrolled_at) from drip_core.enrollments as e where e.organization_id = v_org)
        then coalesce(
          (select (min(v.recorded_at) at time zone v_zone)::date + 1 from drip_core.events as v where v.organization_id = v_org), 'infinity')
    end,
    (
      select (((max(to_date(substr(c.relname, 8, 7), 'YYYY_MM')) + interval '1 month') at time zone 'UTC') at time zone v_zone)::date + 1
      from pg_catalog.pg_inherits as i
      join pg_catalog.pg_class as c on c.oid = i.inhrelid
      where i.inhparent = 'drip_core.events'::regclass and c.relname ~ '^events_[0-9]{4}_[0-9]{2}_facts$'
    ),
    '-infinity')
  into v_raw_from;

  -- facts that are not known yet: what is known stays, also when its events are gone
  with raw as (
    select
      n.enrollment_id,
      case when n.type in ('opened', 'clicked') and n.is_machine then 'machine_' else '' end || n.type::text as kind,
      coalesce(n.step_id, 0) as step_id,
      min(n.occurred_at) as first_at
    from drip_core.events as n
    where n.organization_id = v_org
      and n.type in ('skipped', 'delivered', 'opened', 'clicked', 'bounced', 'replied', 'unsubscribed', 'complained', 'converted')
      and n.enrollment_id is not null and not n.is_test
      and not (n.type = 'bounced' and n.channel is null)
      and not (n.type = 'unsubscribed' and n.reason is not distinct from 'complained')
    group by 1, 2, 3
  ),

  known as (
    select f.enrollment_id, u.kind, u.step_id, u.first_at
    from drip_core.report_facts as f
    cross join lateral unnest(f.kinds, f.step_ids, f.first_at) as u (kind, step_id, first_at)
    where f.organization_id = v_org
  )

  select array_agg(row(r.enrollment_id, r.kind, r.step_id, r.first_at)::drip_core.report_fact)
  into v_facts
  from raw as r
  left join known as k on k.enrollment_id = r.enrollment_id and k.kind = r.kind and k.step_id = r.step_id
  where k.first_at is null or k.first_at > r.first_at;

  insert into drip_core.report_facts as f (organization_id, enrollment_id, kinds, step_ids, first_at)
  select v_org, x.enrollment_id, array_agg(x.kind), array_agg(x.step_id), array_agg(x.first_at)
  from unnest(v_facts) as x
  group by x.enrollment_id
  order by x.enrollment_id
  on conflict on constraint report_facts_pkey do update
  set (kinds, step_ids, first_at) = (
    select array_agg(y.kind), array_agg(y.step_id), array_agg(y.first_at)
    from (
      select u.kind, u.step_id, min(u.first_at) as first_at
      from (
        select k.kind, k.step_id, k.first_at from unnest(f.kinds, f.step_ids, f.first_at) as k (kind, step_id, first_at)
        union all
        select k.kind, k.step_id, k.first_at from unnest(excluded.kinds, excluded.step_ids, excluded.first_at) as k (kind, step_id, first_at)
      ) as u
      group by u.kind, u.step_id
    ) as y
  );

  insert into drip_core.report_conversions (
    organization_id, id, enrollment_id, contact_id, sequence_id, version, step_id, channel_account_id, converted_at, deal_id, amount, currency
  )
  select
    v_org, n.id, n.enrollment_id, n.contact_id, n.sequence_id, n.version, n.step_id, n.channel_account_id, n.occurred_at,
    (n.data ->> 'deal_id')::bigint, (n.data ->> 'amount')::numeric, n.data ->> 'currency'
  from drip_core.events as n
  where n.organization_id = v_org and n.type = 'converted' and n.enrollment_id is not null and not n.is_test
  on conflict on constraint report_conversions_pkey do nothing;

  with enrolled as (
    select e.id, e.sequence_id, e.version, e.status, (e.enrolled_at at time zone v_zone)::date as cohort_day, e.status_changed_at
    from drip_core.enrollments as e
    where e.organization_id = v_org
  ),

  messages as (
    select
      m.sequence_id, m.version, e.cohort_day, (m.settled_at at time zone v_zone)::date as day, m.step_id, m.channel_account_id, m.status,
      row_number() over (partition by m.enrollment_id, m.status order by m.settled_at, m.step_id) as enrollment_no,
      row_number() over (partition by m.enrollment_id, m.status, m.channel_account_id order by m.settled_at, m.step_id) as sender_no,
      row_number() over (partition by m.enrollment_id, m.status, m.channel order by m.settled_at, m.step_id) as channel_no
    from drip_core.messages as m
    join enrolled as e on e.id = m.enrollment_id
    where m.organization_id = v_org
  ),

  facts as (
    select f.*
    from drip_core._fact_cells(v_org, array(
      select row(k.enrollment_id, u.kind, u.step_id, u.first_at)::drip_core.report_fact
      from drip_core.report_facts as k
      cross join lateral unnest(k.kinds, k.step_ids, k.first_at) as u (kind, step_id, first_at)
      where k.organization_id = v_org
    )) as f
  ),

  counted (
    scope, sequence_id, version, cohort_day, day, step_id, channel_account_id, subject, outcome, reason, error_code,
    enrolled, active, paused, completed, failed, exited, removed, bounced, unsubscribed, contacted, sender_contacted, channel_contacted,
    messages_sent, messages_failed, reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens,
    machine_clicks, replies, unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions,
    sender_replies, sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
    channel_conversions, auto_replies, occurrences
  ) as (
    select
      null, e.sequence_id, e.version, e.cohort_day, e.cohort_day, null::bigint, null::bigint, null, null::drip.event_type, null::drip.reason, null,
      count(*), count(*) filter (where e.status = 'active'), count(*) filter (where e.status = 'paused'), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from enrolled as e
    group by e.sequence_id, e.version, e.cohort_day
    union all
    select
      null, e.sequence_id, e.version, e.cohort_day, (e.status_changed_at at time zone v_zone)::date, null, null, null, null, null, null,
      0, 0, 0, count(*) filter (where e.status = 'completed'), count(*) filter (where e.status = 'failed'), count(*) filter (where
      e.status = 'exited'), count(*) filter (where e.status = 'removed'), count(*) filter (where e.status = 'bounced'), count(*) filter
      (where e.status = 'unsubscribed'), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from enrolled as e
    where e.status not in ('active', 'paused')
    group by e.sequence_id, e.version, e.cohort_day, 5
    union all
    select
      null, m.sequence_id, m.version, m.cohort_day, m.day, m.step_id, m.channel_account_id, null, null, null, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, count(*) filter (where m.status = 'sent' and m.enrollment_no = 1), count(*) filter (where m.status =
      'sent' and m.sender_no = 1), count(*) filter (where m.status = 'sent' and m.channel_no = 1), count(*) filter (where m.status =
      'sent'), count(*) filter (where m.status = 'failed'), count(*) filter (where m.status = 'sent'), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from messages as m
    group by m.sequence_id, m.version, m.cohort_day, m.day, m.step_id, m.channel_account_id
    union all
    select
      null, f.sequence_id, f.version, f.cohort_day, f.day, f.step_id, f.channel_account_id, null, null, null, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, f.reached, f.skipped, f.delivered, f.messages_bounced, f.messages_opened,
      f.messages_clicked, f.machine_opens, f.machine_clicks, f.replies, f.unsubscribes, f.complaints, f.conversions, f.step_replies,
      f.step_unsubscribes, f.step_complaints, f.step_conversions, f.sender_replies, f.sender_unsubscribes, f.sender_complaints,
      f.sender_conversions, f.channel_replies, f.channel_unsubscribes, f.channel_complaints, f.channel_conversions, 0, 0
    from facts as f
    union all
    select
      'day', n.sequence_id, n.version, null, (n.occurred_at at time zone v_zone)::date, n.step_id, n.channel_account_id, null, null, null, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), 0
    from drip_core.events as n
    where n.organization_id = v_org and n.type = 'auto_replied' and n.enrollment_id is not null and not n.is_test
    group by n.sequence_id, n.version, 5, n.step_id, n.channel_account_id
    union all
    select
      'outcome', n.sequence_id, n.version, null, (n.occurred_at at time zone v_zone)::date, n.step_id, n.channel_account_id,
      drip_core._outcome_subject(n.type, n.channel), n.type, n.reason, drip_core._plain_code(n.data),
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*)
    from drip_core.events as n
    where n.organization_id = v_org and n.enrollment_id is not null and not n.is_test
      and n.type in ('skipped', 'attempt_failed', 'held', 'bounced', 'complained', 'paused', 'failed', 'exited', 'removed', 'unsubscribed')
    group by n.sequence_id, n.version, 5, n.step_id, n.channel_account_id, 8, n.type, n.reason, 11
  ),

  compared as (
    select
      1 as sign, x.scope, c.sequence_id, c.version, x.day, x.step_id, x.channel_account_id, c.subject, c.outcome, c.reason, c.error_code,
      c.enrolled, c.active, c.paused, c.completed, c.failed, c.exited, c.removed, c.bounced, c.unsubscribed, c.contacted,
      c.sender_contacted, c.channel_contacted, c.messages_sent, c.messages_failed, c.reached, c.skipped, c.delivered, c.messages_bounced,
      c.messages_opened, c.messages_clicked, c.machine_opens, c.machine_clicks, c.replies, c.unsubscribes, c.complaints, c.conversions,
      c.step_replies, c.step_unsubscribes, c.step_complaints, c.step_conversions, c.sender_replies, c.sender_unsubscribes,
      c.sender_complaints, c.sender_conversions, c.channel_replies, c.channel_unsubscribes, c.channel_complaints, c.channel_conversions,
      c.auto_replies, c.occurrences
    from counted as c
    cross join lateral (values
      ('cohort', c.cohort_day, null, null),
      ('step', null, c.step_id, c.channel_account_id),
      ('day', c.day, c.step_id, c.channel_account_id),
      ('outcome', c.day, c.step_id, c.channel_account_id)
    ) as x (scope, day, step_id, channel_account_id)
    where x.scope = c.scope
      or (c.scope is null and (x.scope = 'outcome') = (c.outcome is not null) and (x.scope <> 'step' or c.step_id is not null))
    union all
    select
      -1, x.scope, d.sequence_id, d.version, x.day, x.step_id, x.channel_account_id, d.subject, d.outcome, d.reason, d.error_code,
      d.enrolled, d.active, d.paused, d.completed, d.failed, d.exited, d.removed, d.bounced, d.unsubscribed, d.contacted,
      d.sender_contacted, d.channel_contacted, d.messages_sent, d.messages_failed, d.reached, d.skipped, d.delivered, d.messages_bounced,
      d.messages_opened, d.messages_clicked, d.machine_opens, d.machine_clicks, d.replies, d.unsubscribes, d.complaints, d.conversions,
      d.step_replies, d.step_unsubscribes, d.step_complaints, d.step_conversions, d.sender_replies, d.sender_unsubscribes,
      d.sender_complaints, d.sender_conversions, d.channel_replies, d.channel_unsubscribes, d.channel_complaints, d.channel_conversions,
      d.auto_replies, d.occurrences
    from (select d.* from drip_core.report_deltas as d where d.organization_id = v_org) as d
    cross join lateral (values
      ('cohort', d.cohort_day, null, null),
      ('step', null, d.step_id, d.channel_account_id),
      ('day', d.day, d.step_id, d.channel_account_id),
      ('outcome', d.day, d.step_id, d.channel_account_id)
    ) as x (scope, day, step_id, channel_account_id)
    where x.scope = d.scope
      or (d.scope is null and (x.scope = 'outcome') = (d.outcome is not null) and (x.scope <> 'step' or d.step_id is not null))
    union all
    select
      -1, c.scope, c.sequence_id, c.version, c.day, c.step_id, c.channel_account_id, c.subject, c.outcome, c.reason, c.error_code,
      c.enrolled, c.active, c.paused, c.completed, c.failed, c.exited, c.removed, c.bounced, c.unsubscribed, c.contacted,
      c.sender_contacted, c.channel_contacted, c.messages_sent, c.messages_failed, c.reached, c.skipped, c.delivered, c.messages_bounced,
      c.messages_opened, c.messages_clicked, c.machine_opens, c.machine_clicks, c.replies, c.unsubscribes, c.complaints, c.conversions,
      c.step_replies, c.step_unsubscribes, c.step_complaints, c.step_conversions, c.sender_replies, c.sender_unsubscribes,
      c.sender_complaints, c.sender_conversions, c.channel_replies, c.channel_unsubscribes, c.channel_complaints, c.channel_conversions,
      c.auto_replies, c.occurrences
    from drip_core.report_cells as c
    where c.organization_id = v_org
  ),

  corrections as (
    select
      u.scope, u.sequence_id, u.version, u.day, u.step_id, u.channel_account_id, u.subject, u.outcome, u.reason, u.error_code,
      sum(u.sign * u.enrolled) as enrolled,
      sum(u.sign * case when u.scope <> 'day' then u.active else 0 end) as active,
      sum(u.sign * case when u.scope <> 'day' then u.paused else 0 end) as paused,
      sum(u.sign * u.completed) as completed,
      sum(u.sign * u.failed) as failed,
      sum(u.sign * u.exited) as exited,
      sum(u.sign * u.removed) as removed,
      sum(u.sign * u.bounced) as bounced,
      sum(u.sign * u.unsubscribed) as unsubscribed,
      sum(u.sign * u.contacted) as contacted,
      sum(u.sign * u.sender_contacted) as sender_contacted,
      sum(u.sign * u.channel_contacted) as channel_contacted,
      sum(u.sign * u.messages_sent) as messages_sent,
      sum(u.sign * u.messages_failed) as messages_failed,
      sum(u.sign * u.reached) as reached,
      sum(u.sign * u.skipped) as skipped,
      sum(u.sign * u.delivered) as delivered,
      sum(u.sign * u.messages_bounced) as messages_bounced,
      sum(u.sign * u.messages_opened) as messages_opened,
      sum(u.sign * u.messages_clicked) as messages_clicked,
      sum(u.sign * u.machine_opens) as machine_opens,
      sum(u.sign * u.machine_clicks) as machine_clicks,
      sum(u.sign * u.replies) as replies,
      sum(u.sign * u.unsubscribes) as unsubscribes,
      sum(u.sign * u.complaints) as complaints,
      sum(u.sign * u.conversions) as conversions,
      sum(u.sign * u.step_replies) as step_replies,
      sum(u.sign * u.step_unsubscribes) as step_unsubscribes,
      sum(u.sign * u.step_complaints) as step_complaints,
      sum(u.sign * u.step_conversions) as step_conversions,
      sum(u.sign * u.sender_replies) as sender_replies,
      sum(u.sign * u.sender_unsubscribes) as sender_unsubscribes,
      sum(u.sign * u.sender_complaints) as sender_complaints,
      sum(u.sign * u.sender_conversions) as sender_conversions,
      sum(u.sign * u.channel_replies) as channel_replies,
      sum(u.sign * u.channel_unsubscribes) as channel_unsubscribes,
      sum(u.sign * u.channel_complaints) as channel_complaints,
      sum(u.sign * u.channel_conversions) as channel_conversions,
      sum(u.sign * case when u.day >= v_raw_from then u.auto_replies else 0 end) as auto_replies,
      sum(u.sign * u.occurrences) as occurrences
    from compared as u
    where case u.scope when 'step' then true when 'outcome' then u.day >= greatest(v_from, v_raw_from) else u.day >= v_from end
    group by u.scope, u.sequence_id, u.version, u.day, u.step_id, u.channel_account_id, u.subject, u.outcome, u.reason, u.error_code
  )

  insert into drip_core.report_deltas (
    organization_id, scope, sequence_id, version, cohort_day, day, step_id, channel_account_id, subject, outcome, reason, error_code,
    enrolled, active, paused, completed, failed, exited, removed, bounced, unsubscribed, contacted, sender_contacted, channel_contacted,
    messages_sent, messages_failed, reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens,
    machine_clicks, replies, unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions,
    sender_replies, sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
    channel_conversions, auto_replies, occurrences
  )
  select
    v_org, u.scope, u.sequence_id, u.version, case when u.scope = 'cohort' then u.day end, case when u.scope <> 'cohort' then u.day end,
    u.step_id, u.channel_account_id, u.subject, u.outcome, u.reason, u.error_code,
    u.enrolled, u.active, u.paused, u.completed, u.failed, u.exited, u.removed, u.bounced, u.unsubscribed, u.contacted,
    u.sender_contacted, u.channel_contacted, u.messages_sent, u.messages_failed, u.reached, u.skipped, u.delivered, u.messages_bounced,
    u.messages_opened, u.messages_clicked, u.machine_opens, u.machine_clicks, u.replies, u.unsubscribes, u.complaints, u.conversions,
    u.step_replies, u.step_unsubscribes, u.step_complaints, u.step_conversions, u.sender_replies, u.sender_unsubscribes,
    u.sender_complaints, u.sender_conversions, u.channel_replies, u.channel_unsubscribes, u.channel_complaints, u.channel_conversions,
    u.auto_replies, u.occurrences
  from corrections as u
  where array[
    u.enrolled, u.active, u.paused, u.completed, u.failed, u.exited, u.removed, u.bounced, u.unsubscribed, u.contacted,
    u.sender_contacted, u.channel_contacted, u.messages_sent, u.messages_failed, u.reached, u.skipped, u.delivered, u.messages_bounced,
    u.messages_opened, u.messages_clicked, u.machine_opens, u.machine_clicks, u.replies, u.unsubscribes, u.complaints, u.conversions,
    u.step_replies, u.step_unsubscribes, u.step_complaints, u.step_conversions, u.sender_replies, u.sender_unsubscribes,
    u.sender_complaints, u.sender_conversions, u.channel_replies, u.channel_unsubscribes, u.channel_complaints, u.channel_conversions,
    u.auto_replies, u.occurrences
  ] <> array_fill(0::numeric, array[40]);
  get diagnostics v_corrected = row_count;
  return v_corrected;
end;
$$;

revoke all on function drip_core._rebuild_reports(bigint, date) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._rebuild_reports(bigint, date) is
'Counts an organization anew from a day on, and corrects the reports; returns how many counts were corrected.';
