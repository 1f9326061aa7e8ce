-- owner: drip_engine
-- More lanes of an organization worth a visit now, other than those: the next ones that wait longest, then those among as
-- many that begin anywhere. What somebody else holds locked stays where it is, in front; so no number of it hides another lane
-- for good.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._more_lanes(organization_id bigint, at timestamptz, others bigint[], most int)
returns setof bigint
language plpgsql
volatile
rows 20
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_first bigint;
  v_last bigint;
begin
  select min(l.channel_account_id), max(l.channel_account_id)
  into v_first, v_last
  from drip_core.lanes as l
  where l.organization_id = _more_lanes.organization_id;
  -- every other time from the first one: little begins before it
  v_first := greatest(v_first, floor(v_first + (2 * random() - 1) * (v_last - v_first))::bigint);

  return query
  select k.channel_account_id
  from (
    (
      select l.channel_account_id, l.ready_at, 1 as part
      from drip_core.lanes as l
      where l.organization_id = _more_lanes.organization_id and l.status = 'active' and l.ready_at <= _more_lanes.at
        and l.channel_account_id not in (select o.id from unnest(_more_lanes.others) as o (id))
      order by l.ready_at
      limit _more_lanes.most
    )
    union all
    select s.channel_account_id, s.ready_at, 2
    from (
      select l.channel_account_id, l.status, l.ready_at
      from drip_core.lanes as l
      where l.organization_id = _more_lanes.organization_id and l.channel_account_id >= v_first
      order by l.channel_account_id
      limit _more_lanes.most
    ) as s
    where s.channel_account_id not in (select o.id from unnest(_more_lanes.others) as o (id))
      and ((s.status = 'active' and s.ready_at <= _more_lanes.at) or (
        select true
        from drip_core.wakeups as w
        where w.organization_id = _more_lanes.organization_id and w.channel_account_id = s.channel_account_id
        limit 1
      ))
  ) as k
  group by k.channel_account_id
  order by min(k.part), min(k.ready_at), k.channel_account_id;
end;
$$;

revoke all on function drip_core._more_lanes(bigint, timestamptz, bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._more_lanes(bigint, timestamptz, bigint[], int) is 'More lanes of an organization worth a visit now, other than those.';
