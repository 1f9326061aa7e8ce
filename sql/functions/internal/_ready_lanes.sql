-- owner: drip_engine
-- requires: functions/internal/_ready_organizations.sql
-- Lanes worth a visit now: ready by their clock, or woken by new work. Bounded; organizations take turns, within one
-- the lane that waits longest comes first. A plain read: whoever comes second finds the lane locked and passes on.
-- Of an organization whose lanes are has_more there may be more than these: _more_lanes.
-- Locks: none. Errors: none. Harmless to repeat.
-- its result was another one before; a claim of the previous version reads this one as well
drop function if exists drip_core._ready_lanes(bigint[], timestamptz, int);
create or replace function drip_core._ready_lanes(organization_ids bigint[], at timestamptz, most int)
returns table (organization_id bigint, channel_account_id bigint, turn int, has_more bool)
language plpgsql
volatile
rows 20
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_organizations bigint[];
  v_most int := least(_ready_lanes.most, 200);
begin
  select array_agg(o.organization_id order by o.turn)
  into v_organizations
  from drip_core._ready_organizations(_ready_lanes.organization_ids, _ready_lanes.at, _ready_lanes.most) as o;
  if v_organizations is null then
    return;
  end if;
  v_most := greatest(ceil(v_most::numeric / cardinality(v_organizations)), least(v_most, 2));

  return query
  select o.id, l.channel_account_id, o.turn::int, l.lanes = v_most
  from unnest(v_organizations) with ordinality as o (id, turn)
  cross join lateral (
    select k.channel_account_id, k.ready_at, count(*) over () as lanes
    from (
      select c.channel_account_id, min(c.ready_at) as ready_at
      from (
        (
          select r.channel_account_id, r.ready_at
          from drip_core.lanes as r
          where r.organization_id = o.id and r.status = 'active' and r.ready_at <= _ready_lanes.at
          order by r.ready_at
          limit v_most
        )
        union all
        (
          -- as if they were ready since they were served: or those that are woken all the time would always come first
          with recursive woken as (
            (
              select w.channel_account_id, 1 as ordinal
              from drip_core.wakeups as w
              where w.organization_id = o.id
              order by w.channel_account_id
              limit 1
            )
            union all
            select n.channel_account_id, k.ordinal + 1
            from woken as k
            cross join lateral (
              select w.channel_account_id
              from drip_core.wakeups as w
              where w.organization_id = o.id and w.channel_account_id > k.channel_account_id
              order by w.channel_account_id
              limit 1
            ) as n
            where k.ordinal < v_most
          )

          select r.channel_account_id, coalesce(r.last_claimed_at, '-infinity')
          from woken
          join drip_core.lanes as r on r.organization_id = o.id and r.channel_account_id = woken.channel_account_id
        )
      ) as c
      group by c.channel_account_id
      order by 2, 1
      limit v_most
    ) as k
  ) as l
  order by o.turn, l.ready_at, l.channel_account_id;
end;
$$;

revoke all on function drip_core._ready_lanes(bigint[], timestamptz, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ready_lanes(bigint[], timestamptz, int) is 'Lanes worth a visit now, a bounded number; organizations take turns.';
