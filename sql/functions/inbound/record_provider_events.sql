-- requires: functions/internal/_require_served_organization.sql, functions/internal/_store_provider_event.sql, functions/internal/_audit_person.sql
-- owner: drip_engine
-- Records a batch of reports, as a webhook brings them: each for itself, so that one that cannot be read stops no other.
-- Of a person's call (or a bound login's) there is one entry in the audit trail.
-- Locks: as record_provider_event for each. Errors: PT403, PT404, PT422 (no array, over 10,000). A repeat answers duplicate.
create or replace function drip.record_provider_events(organization_id bigint, events jsonb)
returns table (ordinal int, outcome text, detail text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_item record;
begin
  perform drip_core._require_served_organization(record_provider_events.organization_id, 'record_provider_events');
  if record_provider_events.events is null or jsonb_typeof(record_provider_events.events) <> 'array'
    or jsonb_array_length(record_provider_events.events) > 10000
  then
    raise exception 'invalid events'
      using errcode = 'PT422', detail = 'events: a JSON array of at most 10,000 events is needed', hint = 'Call it in batches.';
  end if;
  perform drip_core._audit_person(record_provider_events.organization_id, 'record_provider_events', jsonb_build_object(
    'events', jsonb_build_object('count', jsonb_array_length(record_provider_events.events))));
  for v_item in
    select e.value, e.position::int as position
    from jsonb_array_elements(record_provider_events.events) with ordinality as e (value, position)
    order by e.position
  loop
    ordinal := v_item.position;
    detail := null;
    begin
      select x.outcome into outcome from drip_core._store_provider_event(record_provider_events.organization_id, v_item.value) as x;
    exception
      when sqlstate 'PT422' then
        get stacked diagnostics detail = pg_exception_detail;
        outcome := 'invalid';
    end;
    return next;
  end loop;
end;
$$;

revoke all on function drip.record_provider_events(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_provider_events(bigint, jsonb) to drip_app, drip_runner;
comment on function drip.record_provider_events(bigint, jsonb) is
'Records a batch of a provider''s reports; one row each: ordinal (from 1), outcome (as drip.record_provider_event, or invalid), detail. Errors: PT403, PT404, PT422.';
