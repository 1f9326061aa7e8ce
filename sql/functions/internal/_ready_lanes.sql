-- owner: drip_engine
-- Lanes worth a visit now: ready by their clock, or woken by new work. Bounded; organizations take turns, within one
-- the lane that waits longest comes first. A plain read: whoever comes second finds the lane locked and passes on.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._ready_lanes(organization_ids bigint[], at timestamptz, most int)
returns table (organization_id bigint, channel_account_id bigint)
language plpgsql
stable
rows 20
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  if _ready_lanes.organization_ids is null then
    return query
    with recursive woken_organizations as (
      (
        select w.organization_id, 1 as ordinal
        from drip_core.wakeups as w
        order by w.organization_id
        limit 1
      )
      union all
      select n.organization_id, o.ordinal + 1
      from woken_organizations as o
      cross join lateral (
        select w.organization_id
        from drip_core.wakeups as w
        where w.organization_id > o.organization_id
        order by w.organization_id
        limit 1
      ) as n
      where o.ordinal < _ready_lanes.most
    ),

    woken as (
      select o.organization_id, l.channel_account_id
      from woken_organizations as o
      cross join (
        select ceil(_ready_lanes.most::numeric / greatest(count(*), 1)) as most
        from woken_organizations
      ) as share
      cross join lateral (
        with recursive lanes as (
          (
            select w.channel_account_id, 1 as ordinal
            from drip_core.wakeups as w
            where w.organization_id = o.organization_id
            order by w.channel_account_id
            limit 1
          )
          union all
          select n.channel_account_id, k.ordinal + 1
          from lanes as k
          cross join lateral (
            select w.channel_account_id
            from drip_core.wakeups as w
            where w.organization_id = o.organization_id and w.channel_account_id > k.channel_account_id
            order by w.channel_account_id
            limit 1
          ) as n
          where k.ordinal < share.most
        )

        select lanes.channel_account_id from lanes
      ) as l
    ),

    candidates as (
      (
        select l.organization_id, l.channel_account_id, l.ready_at
        from drip_core.lanes as l
        where l.status = 'active' and l.ready_at <= _ready_lanes.at
        order by l.ready_at
        limit 4 * _ready_lanes.most
      )
      union
      (
        -- as if they were ready since they were served: or those that are woken all the time would always come first
        select woken.organization_id, woken.channel_account_id, coalesce(l.last_claimed_at, '-infinity')
        from woken
        join drip_core.lanes as l
          on l.organization_id = woken.organization_id and l.channel_account_id = woken.channel_account_id
      )
    )

    select t.organization_id, t.channel_account_id
    from (
      select c.organization_id, c.channel_account_id, min(c.ready_at) as ready_at,
        row_number() over (partition by c.organization_id order by min(c.ready_at), c.channel_account_id) as turn
      from candidates as c
      group by c.organization_id, c.channel_account_id
    ) as t
    order by t.turn, t.ready_at, t.organization_id
    limit _ready_lanes.most;
  else
    return query
    select l.organization_id, l.channel_account_id
    from drip_core.lanes as l
    where l.organization_id = any (_ready_lanes.organization_ids)
      and ((l.status = 'active' and l.ready_at <= _ready_lanes.at) or exists (
        select from drip_core.wakeups as w
        where w.organization_id = l.organization_id and w.channel_account_id = l.channel_account_id
      ))
    order by l.ready_at
    limit _ready_lanes.most;
  end if;
end;
$$;

revoke all on function drip_core._ready_lanes(bigint[], timestamptz, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ready_lanes(bigint[], timestamptz, int) is 'Lanes worth a visit now, at most so many; organizations take turns.';
