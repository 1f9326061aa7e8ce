-- requires: functions/internal/_change_status.sql, functions/internal/_enroll_contacts.sql
-- What campaigns make of a deal that was created, or whose stage changed: who reached its goal has converted (also after its
-- end, within the goal's time after the last message), open enrollments end as exit_on and goal say, and sequences that
-- enroll at that stage do so. An enrollment that belongs to a deal heeds that deal only, any other all deals of its contact.
-- Locks: the enrollments in id order; sequences that enroll, without waiting for them. Waits half a second at most.
-- Errors: whatever goes wrong; the caller keeps the deal all the same. A repeat changes nothing.
create or replace function drip_core._react_to_deal(
  organization_id bigint, deal_id bigint, stage text, is_new boolean, is_stage_new boolean, occurred_at timestamptz
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _react_to_deal.organization_id;
  v_at constant timestamptz := _react_to_deal.occurred_at;
  v_stage constant text := case when _react_to_deal.is_stage_new then _react_to_deal.stage end;
  v_deal drip_core.deals;
  v_row record;
begin
  select d.* into v_deal from drip_core.deals as d where d.organization_id = v_org and d.id = _react_to_deal.deal_id;

  -- locked first, judged then: a row that changed while it was waited for may follow another version by now
  perform
  from drip_core.enrollments as e
  where e.organization_id = v_org and e.contact_id = v_deal.contact_id and e.status in ('active', 'paused')
  order by e.id
  for no key update;

  if v_stage is not null then
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
      channel_account_id, actor_profile_id, data
    )
    select
      v_org, v_at, drip_core.now(), 'converted', 'goal_reached', e.id, e.contact_id, e.sequence_id, e.version, m.step_id, m.channel,
      m.channel_account_id, drip_core.current_profile(),
      jsonb_strip_nulls(jsonb_build_object('deal_id', v_deal.id, 'stage', v_stage, 'amount', v_deal.amount, 'currency', v_deal.currency))
    from drip_core.enrollments as e
    -- the message that it follows, and the version that this was of
    cross join lateral (
      select k.step_id, k.channel, k.channel_account_id, k.settled_at
      from drip_core.messages as k
      where k.organization_id = v_org and k.enrollment_id = e.id and k.status = 'sent' and k.settled_at <= v_at
      order by k.settled_at desc, k.step_id desc
      limit 1
    ) as m
    join drip_core.steps as s on s.organization_id = v_org and s.id = m.step_id
    join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
    where e.organization_id = v_org and e.contact_id = v_deal.contact_id
      and (e.deal_id is null or e.deal_id = v_deal.id)
      and v_stage = any (v.goal_deal_stages)
      and (v.goal_within is null or v_at <= m.settled_at + v.goal_within)
      and not exists (
        select from drip_core.events as x
        where x.organization_id = v_org and x.enrollment_id = e.id and x.type = 'converted' and (x.data ->> 'deal_id')::bigint = v_deal.id
      )
    order by e.id;
  end if;

  for v_row in
    select g.reason, array_agg(g.id order by g.id) as ids
    from (
      select
        e.id,
        case
          when v_stage = any (v.goal_deal_stages) then 'goal_reached'
          when v_stage = any (v.exit_deal_stages) then 'deal_stage'
          else 'deal_created'
        end::drip.reason as reason
      from drip_core.enrollments as e
      join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
      join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
      where e.organization_id = v_org and e.contact_id = v_deal.contact_id and e.status in ('active', 'paused')
        and (e.deal_id is null or e.deal_id = v_deal.id)
        and (v_stage = any (v.goal_deal_stages) or v_stage = any (v.exit_deal_stages)
          or (_react_to_deal.is_new and v.exits_on_deal_created and e.deal_id is null))
    ) as g
    group by g.reason
  loop
    perform drip_core._change_status(
      v_org, v_row.ids, 'exited', v_row.reason,
      jsonb_strip_nulls(jsonb_build_object('source', 'deal', 'deal_id', v_deal.id, 'stage', v_deal.stage)));
  end loop;

  if v_stage is not null then
    for v_row in
      select q.key
      from drip_core.sequences as q
      join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = q.id and v.version = q.current_version
      where q.organization_id = v_org and q.status = 'active' and v_stage = any (v.enroll_deal_stages)
      order by q.id
      for key share of q nowait
    loop
      perform drip_core._enroll_contacts(v_org, v_row.key, array[v_deal.contact_id], array[v_deal.id], null, 'deal');
    end loop;
  end if;
end;
$$;

revoke all on function drip_core._react_to_deal(bigint, bigint, text, boolean, boolean, timestamptz) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._react_to_deal(bigint, bigint, text, boolean, boolean, timestamptz) is
'What campaigns make of a deal that was created or whose stage changed: conversions, exits, enrollments.';
