-- Makes one partition of events apart from it and attaches it, so that writers are never locked out. Rows of that range
-- that had reached the default partition move with it (the caller bounds how many).
-- Locks, until the end of the transaction: for a month that has begun, events against writers, waiting at most 50 ms
-- (an insert on its way to the default partition would fail once the month has its own; now it waits and finds that);
-- access exclusive on the default partition, waiting for nobody.
-- Errors: lock_not_available while somebody is in the way. Not to be repeated.
create or replace function drip_core._make_event_partition(name text, lower_bound timestamptz, upper_bound timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
-- bounds pass through text: an offset in it, never the name of a zone
set datestyle = 'ISO'
set lock_timeout = '50ms'
as $$
begin
  if _make_event_partition.lower_bound <= drip_core.now() then
    lock table only drip_core.events in share row exclusive mode;
  end if;
  -- whoever reads the history holds the default partition: do not wait for them, and let nobody wait behind us
  lock table drip_core.events_default in access exclusive mode nowait;
  execute format(
    'create table drip_core.%I (like drip_core.events including defaults including constraints) with ('
    || 'autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0)',
    _make_event_partition.name);
  execute format('comment on table drip_core.%I is %L', _make_event_partition.name,
    format('Events recorded from %s until before %s.', _make_event_partition.lower_bound, _make_event_partition.upper_bound));

  -- the owner passes by row-level security for this one statement, under a lock that keeps everybody else out
  alter table drip_core.events_default no force row level security;
  execute format(
    'with moved as (delete from drip_core.events_default as e where e.recorded_at >= %L and e.recorded_at < %L returning e) '
    || 'insert into drip_core.%I select (moved.e).* from moved',
    _make_event_partition.lower_bound, _make_event_partition.upper_bound, _make_event_partition.name);
  alter table drip_core.events_default force row level security;

  execute format('alter table drip_core.%I enable row level security', _make_event_partition.name);
  execute format('alter table drip_core.%I force row level security', _make_event_partition.name);
  execute format('alter table drip_core.events attach partition drip_core.%I for values from (%L) to (%L)',
    _make_event_partition.name, _make_event_partition.lower_bound, _make_event_partition.upper_bound);
end;
$$;

revoke all on function drip_core._make_event_partition(text, timestamptz, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._make_event_partition(text, timestamptz, timestamptz) to drip_engine;
comment on function drip_core._make_event_partition(text, timestamptz, timestamptz) is
'Makes and attaches one partition of events; what the default partition has of its range moves with it.';
