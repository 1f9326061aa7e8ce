-- owner: drip_engine
-- requires: functions/internal/_apply_provider_event.sql, functions/internal/_apply_inbound.sql
-- Looks again for the messages of reports that came early, and at absence notes that came while a message was in flight. Each
-- waits half a second at most for whoever holds its rows, an organization once per call: its other facts come ten seconds later.
-- Locks: the facts with skip locked, then as _react_to_provider_event and _react_to_inbound. Errors: none. A repeat goes on.
create or replace function drip_core._match_parked(allowed bigint[], "limit" int)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
  v_matched int := 0;
  v_code text;
  v_held bigint[] := array[]::bigint[];
begin
  for v_row in
    select p.organization_id, p.id
    from drip_core.provider_events as p
    where p.state = 'parked' and p.next_try_at <= drip_core.now()
      and (_match_parked.allowed is null or p.organization_id = any (_match_parked.allowed))
    order by p.next_try_at
    limit _match_parked.limit
    for no key update skip locked
  loop
    if v_row.organization_id = any (v_held) then
      update drip_core.provider_events as p
      set next_try_at = drip_core.now() + interval '10 seconds'
      where p.organization_id = v_row.organization_id and p.id = v_row.id;
      continue;
    end if;
    v_code := drip_core._apply_provider_event(v_row.organization_id, v_row.id);
    if v_code = '55P03' then
      v_held := v_held || v_row.organization_id;
    end if;
    if exists (select from drip_core.provider_events as p where p.organization_id = v_row.organization_id and p.id = v_row.id and p.state = 'applied') then
      v_matched := v_matched + 1;
    end if;
  end loop;
  for v_row in
    select i.organization_id, i.id
    from drip_core.inbound_messages as i
    where i.state = 'parked' and i.next_try_at <= drip_core.now()
      and (_match_parked.allowed is null or i.organization_id = any (_match_parked.allowed))
    order by i.next_try_at
    limit _match_parked.limit
    for no key update skip locked
  loop
    if v_row.organization_id = any (v_held) then
      update drip_core.inbound_messages as i
      set next_try_at = drip_core.now() + interval '10 seconds'
      where i.organization_id = v_row.organization_id and i.id = v_row.id;
      continue;
    end if;
    v_code := drip_core._apply_inbound(v_row.organization_id, v_row.id);
    if v_code = '55P03' then
      v_held := v_held || v_row.organization_id;
    end if;
    if exists (select from drip_core.inbound_messages as i where i.organization_id = v_row.organization_id and i.id = v_row.id and i.state = 'applied') then
      v_matched := v_matched + 1;
    end if;
  end loop;
  return v_matched;
end;
$$;

revoke all on function drip_core._match_parked(bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._match_parked(bigint[], int) is 'Looks again for the messages of reports that came early; how many were found.';
