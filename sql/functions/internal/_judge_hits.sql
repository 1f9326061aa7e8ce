-- owner: drip_engine
-- requires: functions/internal/_is_machine_agent.sql
-- Judges all hits of a message anew: a machine's are those of known agents and of Apple's network (opens), clicks on three
-- links (or on all, where there are several) within two seconds, a click within two seconds of the sending that no open came
-- before, and whatever else the same visitor did. Everything else is a person's. The same hits give the same verdicts in
-- any order; their events follow. Returns how many verdicts changed.
-- Locks: what the reports know of the enrollment (as an event of it does), then the hits. Errors: none. A repeat changes nothing.
create or replace function drip_core._judge_hits(organization_id bigint, enrollment_id bigint, step_id bigint)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _judge_hits.organization_id;
  v_enrollment constant bigint := _judge_hits.enrollment_id;
  v_step constant bigint := _judge_hits.step_id;
  v_links bigint;
  v_sent_at timestamptz;
  v_ids bigint[];
  v_machine boolean[];
  v_by text[];
begin
  perform from drip_core.report_facts as f where f.organization_id = v_org and f.enrollment_id = v_enrollment for no key update;
  select count(*) into v_links from drip_core.step_links as l where l.organization_id = v_org and l.step_id = v_step;
  select m.settled_at into v_sent_at
  from drip_core.messages as m where m.organization_id = v_org and m.enrollment_id = v_enrollment and m.step_id = v_step;

  with hits as materialized (
    select h.id, h.type, h.link_no, h.occurred_at, h.user_agent, h.ip, h.is_machine, h.judged_by
    from drip_core.tracking_hits as h
    where h.organization_id = v_org and h.enrollment_id = v_enrollment and h.step_id = v_step
    order by h.id
    for no key update
  ),

  first_look as materialized (
    select
      h.id, h.user_agent, h.ip, h.is_machine, h.judged_by,
      case
        when drip_core._is_machine_agent(h.user_agent) then 'agent'
        when h.type = 'opened' and h.ip <<= inet '17.0.0.0/8' then 'apple'
        when h.type = 'clicked' and exists (
          -- a stretch of two seconds that this click is in
          select
          from hits as s
          cross join lateral (
            select count(distinct k.link_no) as links
            from hits as k
            where k.type = 'clicked' and k.occurred_at between s.occurred_at and s.occurred_at + interval '2 seconds'
          ) as n
          where s.type = 'clicked' and h.occurred_at between s.occurred_at and s.occurred_at + interval '2 seconds'
            and n.links >= least(3, greatest(v_links, 2))
        ) then 'burst'
        when h.type = 'clicked' and h.occurred_at < v_sent_at + interval '2 seconds'
          and not exists (select from hits as o where o.type = 'opened' and o.occurred_at <= h.occurred_at) then 'too_fast'
      end as judged
    from hits as h
  ),

  verdicts as (
    select
      f.id,
      coalesce(f.judged, case when exists (
        select from first_look as g where g.judged is not null and g.ip = f.ip and g.user_agent is not distinct from f.user_agent
      ) then 'same_visitor' end) as judged,
      f.is_machine,
      f.judged_by
    from first_look as f
  )

  select coalesce(array_agg(v.id), '{}'), coalesce(array_agg(v.judged is not null), '{}'), coalesce(array_agg(v.judged), '{}')
  into v_ids, v_machine, v_by
  from verdicts as v
  where v.is_machine <> (v.judged is not null) or v.judged_by is distinct from v.judged;
  if cardinality(v_ids) = 0 then
    return 0;
  end if;

  perform set_config('drip.judging', 'on', true);
  update drip_core.events as e
  set is_machine = u.is_machine
  from unnest(v_ids, v_machine) as u (id, is_machine)
  join drip_core.tracking_hits as h on h.organization_id = v_org and h.id = u.id
  where e.organization_id = v_org and e.recorded_at = h.event_recorded_at and e.id = h.event_id and e.is_machine <> u.is_machine;
  perform set_config('drip.judging', '', true);
  update drip_core.tracking_hits as h
  set is_machine = u.is_machine, judged_by = u.judged_by
  from unnest(v_ids, v_machine, v_by) as u (id, is_machine, judged_by)
  where h.organization_id = v_org and h.id = u.id;
  return cardinality(v_ids);
end;
$$;

revoke all on function drip_core._judge_hits(bigint, bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._judge_hits(bigint, bigint, bigint) is 'Judges whether machines made the hits of a message; how many verdicts changed.';
