-- requires: functions/internal/_fact_cells.sql
-- Takes facts of one organization into account that came, and others that are none any more (a judgement was changed): keeps
-- the first time of each, and writes what that changes in the counts.
-- Locks: report_facts of these enrollments, in id order. Errors: none. A repeat changes nothing.
create or replace function drip_core._count_facts(
  organization_id bigint, came drip_core.report_fact[], gone drip_core.report_fact[] default '{}'
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _count_facts.organization_id;
  v_ids bigint[];
  v_old drip_core.report_fact[];
  v_new drip_core.report_fact[];
begin
  v_ids := array(select distinct f.enrollment_id from unnest(_count_facts.came || _count_facts.gone) as f order by 1);
  insert into drip_core.report_facts (organization_id, enrollment_id, kinds, step_ids, first_at)
  select v_org, i.id, '{}', '{}', '{}' from unnest(v_ids) as i (id)
  on conflict on constraint report_facts_pkey do nothing;
  perform
  from drip_core.report_facts as f
  where f.organization_id = v_org and f.enrollment_id = any (v_ids)
  order by f.enrollment_id
  for no key update;

  v_old := array(
    select row(f.enrollment_id, u.kind, u.step_id, u.first_at)::drip_core.report_fact
    from drip_core.report_facts as f
    cross join lateral unnest(f.kinds, f.step_ids, f.first_at) as u (kind, step_id, first_at)
    where f.organization_id = v_org and f.enrollment_id = any (v_ids)
  );
  v_new := array(
    select row(x.enrollment_id, x.kind, x.step_id, min(x.first_at))::drip_core.report_fact
    from (
      select o.enrollment_id, o.kind, o.step_id, o.first_at from unnest(v_old) as o
      except
      select g.enrollment_id, g.kind, g.step_id, g.first_at from unnest(_count_facts.gone) as g
      union all
      select c.enrollment_id, c.kind, c.step_id, c.first_at from unnest(_count_facts.came) as c
    ) as x
    group by x.enrollment_id, x.kind, x.step_id
  );
  update drip_core.report_facts as f
  set kinds = x.kinds, step_ids = x.step_ids, first_at = x.first_at
  from (
    select
      i.id, coalesce(array_agg(n.kind) filter (where n.kind is not null), '{}') as kinds,
      coalesce(array_agg(n.step_id) filter (where n.kind is not null), '{}') as step_ids,
      coalesce(array_agg(n.first_at) filter (where n.kind is not null), '{}') as first_at
    from unnest(v_ids) as i (id)
    left join unnest(v_new) as n on n.enrollment_id = i.id
    group by i.id
  ) as x
  where f.organization_id = v_org and f.enrollment_id = x.id
    and (cardinality(f.kinds) <> cardinality(x.kinds) or exists (
      select from unnest(v_new) as n
      where n.enrollment_id = x.id and not exists (
        select from unnest(v_old) as o
        where o.enrollment_id = n.enrollment_id and o.kind = n.kind and o.step_id = n.step_id and o.first_at = n.first_at
      )
    ));
  if not found then
    return;
  end if;

  insert into drip_core.report_deltas (
    organization_id, sequence_id, version, cohort_day, day, step_id, channel_account_id,
    reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens, machine_clicks, replies,
    unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions, sender_replies,
    sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
    channel_conversions
  )
  select
    v_org, c.sequence_id, c.version, c.cohort_day, c.day, c.step_id, c.channel_account_id,
    sum(c.sign * c.reached),
    sum(c.sign * c.skipped),
    sum(c.sign * c.delivered),
    sum(c.sign * c.messages_bounced),
    sum(c.sign * c.messages_opened),
    sum(c.sign * c.messages_clicked),
    sum(c.sign * c.machine_opens),
    sum(c.sign * c.machine_clicks),
    sum(c.sign * c.replies),
    sum(c.sign * c.unsubscribes),
    sum(c.sign * c.complaints),
    sum(c.sign * c.conversions),
    sum(c.sign * c.step_replies),
    sum(c.sign * c.step_unsubscribes),
    sum(c.sign * c.step_complaints),
    sum(c.sign * c.step_conversions),
    sum(c.sign * c.sender_replies),
    sum(c.sign * c.sender_unsubscribes),
    sum(c.sign * c.sender_complaints),
    sum(c.sign * c.sender_conversions),
    sum(c.sign * c.channel_replies),
    sum(c.sign * c.channel_unsubscribes),
    sum(c.sign * c.channel_complaints),
    sum(c.sign * c.channel_conversions)
  from (
    select 1 as sign, n.* from drip_core._fact_cells(v_org, v_new) as n
    union all
    select -1, o.* from drip_core._fact_cells(v_org, v_old) as o
  ) as c
  group by c.sequence_id, c.version, c.cohort_day, c.day, c.step_id, c.channel_account_id
  having array[
    sum(c.sign * c.reached), sum(c.sign * c.skipped), sum(c.sign * c.delivered), sum(c.sign * c.messages_bounced), sum(c.sign *
    c.messages_opened), sum(c.sign * c.messages_clicked), sum(c.sign * c.machine_opens), sum(c.sign * c.machine_clicks), sum(c.sign *
    c.replies), sum(c.sign * c.unsubscribes), sum(c.sign * c.complaints), sum(c.sign * c.conversions), sum(c.sign * c.step_replies),
    sum(c.sign * c.step_unsubscribes), sum(c.sign * c.step_complaints), sum(c.sign * c.step_conversions), sum(c.sign * c.sender_replies),
    sum(c.sign * c.sender_unsubscribes), sum(c.sign * c.sender_complaints), sum(c.sign * c.sender_conversions), sum(c.sign *
    c.channel_replies), sum(c.sign * c.channel_unsubscribes), sum(c.sign * c.channel_complaints), sum(c.sign * c.channel_conversions)
  ] <> array_fill(0::numeric, array[24]);
end;
$$;

revoke all on function drip_core._count_facts(bigint, drip_core.report_fact[], drip_core.report_fact[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._count_facts(bigint, drip_core.report_fact[], drip_core.report_fact[]) is
'Takes facts into account that came or are none any more, and writes what changes in the counts of the reports.';
