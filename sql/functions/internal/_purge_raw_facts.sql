-- owner: drip_engine
-- requires: functions/internal/_blank_inbound.sql
-- Forgets the raw facts recorded before an instant: reports of providers and hits are deleted (their events stay), inbound
-- messages lose their words and addresses. Looks at up to 1,000 after the position (organization, table, id), in the order of
-- their keys, and returns where it stopped (null: the end).
-- Locks: the rows it changes, with skip locked. Errors: none.
create or replace function drip_core._purge_raw_facts(recorded_before timestamptz, "position" bigint[], out purged int, out stopped_at bigint[])
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org bigint := coalesce(_purge_raw_facts.position[1], 0);
  v_table bigint := coalesce(_purge_raw_facts.position[2], 1);
  v_id bigint := coalesce(_purge_raw_facts.position[3], 0);
  v_seen int;
  v_last bigint;
  v_left int := 1000;
  v_ids bigint[];
begin
  purged := 0;
  for v_i in 1 .. 600 loop
    exit when v_left <= 0 or v_org is null;
    if v_table = 1 then
      select count(*), max(x.id), coalesce(array_agg(x.id) filter (where x.is_old), '{}')
      into v_seen, v_last, v_ids
      from (
        select p.id, p.recorded_at < _purge_raw_facts.recorded_before and p.state not in ('pending', 'parked') as is_old
        from drip_core.provider_events as p
        where p.organization_id = v_org and p.id > v_id
        order by p.id
        limit v_left
      ) as x;
      v_ids := array(
        select p.id from drip_core.provider_events as p
        where p.organization_id = v_org and p.id = any (v_ids)
        order by p.id
        for update skip locked
      );
      delete from drip_core.provider_events as p where p.organization_id = v_org and p.id = any (v_ids);
    elsif v_table = 2 then
      select count(*), max(x.id), coalesce(array_agg(x.id) filter (where x.occurred_at < _purge_raw_facts.recorded_before), '{}')
      into v_seen, v_last, v_ids
      from (
        select h.id, h.occurred_at
        from drip_core.tracking_hits as h
        where h.organization_id = v_org and h.id > v_id
        order by h.id
        limit v_left
      ) as x;
      v_ids := array(
        select h.id from drip_core.tracking_hits as h
        where h.organization_id = v_org and h.id = any (v_ids)
        order by h.id
        for update skip locked
      );
      delete from drip_core.tracking_hits as h where h.organization_id = v_org and h.id = any (v_ids);
    else
      select count(*), max(x.id), coalesce(array_agg(x.id) filter (where x.is_old), '{}')
      into v_seen, v_last, v_ids
      from (
        select i.id, i.recorded_at < _purge_raw_facts.recorded_before and i.state <> 'pending' and i.from_address is not null as is_old
        from drip_core.inbound_messages as i
        where i.organization_id = v_org and i.id > v_id
        order by i.id
        limit v_left
      ) as x;
      v_ids := array(
        select i.id from drip_core.inbound_messages as i
        where i.organization_id = v_org and i.id = any (v_ids)
        order by i.id
        for no key update skip locked
      );
      perform drip_core._blank_inbound(v_org, v_ids);
    end if;
    purged := purged + cardinality(v_ids);
    v_id := coalesce(v_last, v_id);
    if v_seen < v_left then
      v_id := 0;
      if v_table < 3 then
        v_table := v_table + 1;
      else
        v_table := 1;
        select min(o.id) into v_org from drip_core.organizations as o where o.id > v_org;
      end if;
    end if;
    v_left := v_left - v_seen;
  end loop;
  stopped_at := case when v_org is not null then array[v_org, v_table, v_id] end;
end;
$$;

revoke all on function drip_core._purge_raw_facts(timestamptz, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._purge_raw_facts(timestamptz, bigint[]) is
'Forgets raw facts past their time, a bounded stretch per call; how many, and where it stopped.';
