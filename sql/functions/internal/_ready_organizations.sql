-- owner: drip_engine
-- Organizations with a lane worth a visit now, in the order of their turn: those with turn 1 to most are to be served, as many
-- again stand in for the ones whose lanes are locked.
-- They stand in a circle, by their ids. Where there are more than have room, the next look of this session begins behind the
-- last one that was to be served (the setting drip.turn; a new session begins anywhere): each has its turn after as many
-- claims as it takes to go round. No row says so, or a claim would wait for it.
-- Bounded: up to 1,000 ready lanes, whoever has them, tell their organizations. Beyond, the next 2,000 organizations are asked
-- one by one (once more as many where the circle closes), so that no number of lanes hides those of another one.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._ready_organizations(organization_ids bigint[], at timestamptz, most int)
returns table (organization_id bigint, turn int)
language plpgsql
volatile
rows 20
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_enough constant int := 2 * _ready_organizations.most;
  v_lanes constant int := 1000;
  v_asked constant int := 2000;
  v_from bigint;
  v_found bigint[];
  v_more bigint[];
  v_read int;
  v_count int;
  -- as far round as every organization is known
  v_end bigint;
  v_next bigint;
begin
  -- anybody may write anything there
  v_from := substring(current_setting('drip.turn', true) from '^[0-9]{1,18}$')::bigint;
  if v_from is null then
    select floor(random() * max(o.id))::bigint into v_from from drip_core.organizations as o;
  end if;

  if _ready_organizations.organization_ids is not null then
    select array_agg(o.id)
    into v_found
    from (select distinct u.id from unnest(_ready_organizations.organization_ids) as u (id)) as o
    where (
      select true
      from drip_core.lanes as l
      where l.organization_id = o.id and l.status = 'active' and l.ready_at <= _ready_organizations.at
      limit 1
    )
    or (
      select true
      from drip_core.wakeups as w
      where w.organization_id = o.id
      limit 1
    );
  else
    select array_agg(distinct k.organization_id), count(*)
    into v_found, v_read
    from (
      select l.organization_id
      from drip_core.lanes as l
      where l.status = 'active' and l.ready_at <= _ready_organizations.at
      order by l.ready_at
      limit v_lanes
    ) as k;

    if v_read = v_lanes then
      -- up to the last organization, then from the first one
      for v_lap in 1..2 loop
        select array_agg(k.id), count(*), max(k.id)
        into v_more, v_count, v_end
        from (
          select o.id
          from (
            select n.id
            from drip_core.organizations as n
            where n.id > case v_lap when 1 then v_from else 0 end and n.id <= case v_lap when 2 then v_from else 9223372036854775807 end
            order by n.id
            limit v_asked
          ) as o
          cross join lateral (
            select
            from drip_core.lanes as l
            where l.organization_id = o.id and l.status = 'active' and l.ready_at <= _ready_organizations.at
            limit 1
          ) as l
          order by o.id
          limit v_enough
        ) as k;
        v_found := v_found || v_more;
        if v_count < v_enough then
          select n.id
          into v_end
          from drip_core.organizations as n
          where n.id > case v_lap when 1 then v_from else 0 end and n.id <= case v_lap when 2 then v_from else 9223372036854775807 end
          order by n.id
          offset v_asked - 1
          limit 1;
        end if;
        exit when v_end is not null;
      end loop;
    end if;

    with recursive up as (
      (
        select w.organization_id, 1 as ordinal
        from drip_core.wakeups as w
        where w.organization_id > v_from
        order by w.organization_id
        limit 1
      )
      union all
      select n.organization_id, o.ordinal + 1
      from up as o
      cross join lateral (
        select w.organization_id
        from drip_core.wakeups as w
        where w.organization_id > o.organization_id
        order by w.organization_id
        limit 1
      ) as n
      where o.ordinal < v_enough
    ),

    again as (
      (
        select w.organization_id, 1 as ordinal
        from drip_core.wakeups as w
        where w.organization_id <= v_from
        order by w.organization_id
        limit 1
      )
      union all
      select n.organization_id, o.ordinal + 1
      from again as o
      cross join lateral (
        select w.organization_id
        from drip_core.wakeups as w
        where w.organization_id > o.organization_id and w.organization_id <= v_from
        order by w.organization_id
        limit 1
      ) as n
      where o.ordinal < v_enough - (select count(*) from up)
    )

    select v_found || array_agg(k.organization_id)
    into v_found
    from (
      select up.organization_id from up
      union all
      select again.organization_id from again
    ) as k;
  end if;
  if v_found is null then
    return;
  end if;

  select array_agg(k.id order by k.id <= v_from, k.id)
  into v_found
  from (
    select f.id
    from unnest(v_found) as f (id)
    group by f.id
    order by f.id <= v_from, f.id
    limit v_enough
  ) as k;
  v_next := v_end;
  if cardinality(v_found) > _ready_organizations.most then
    v_next := v_found[_ready_organizations.most];
    if (v_end <= v_from, v_end) < (v_next <= v_from, v_next) then
      v_next := v_end;
    end if;
  end if;
  if v_next is not null then
    perform set_config('drip.turn', v_next::text, false);
  end if;
  return query
  select f.id, f.turn::int
  from unnest(v_found) with ordinality as f (id, turn);
end;
$$;

revoke all on function drip_core._ready_organizations(bigint[], timestamptz, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ready_organizations(bigint[], timestamptz, int) is 'Organizations with a lane worth a visit now, in the order of their turn.';
