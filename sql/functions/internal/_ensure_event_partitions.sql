-- owner: drip_engine
-- requires: functions/internal/_make_event_partition.sql
-- Makes the partitions of events for the month of an instant and the three after it. A month that already has rows in the
-- default partition stays there.
-- Locks: an advisory lock (a rival goes away); those of _make_event_partition, waiting for nobody. Errors: none. A repeat changes nothing.
create or replace function drip_core._ensure_event_partitions(at timestamptz)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from timestamptz;
  v_to timestamptz;
  v_name text;
  v_made int := 0;
begin
  for v_i in 0 .. 3 loop
    v_from := (date_trunc('month', _ensure_event_partitions.at at time zone 'UTC') + make_interval(months => v_i)) at time zone 'UTC';
    v_to := ((v_from at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    v_name := 'events_' || to_char(v_from at time zone 'UTC', 'YYYY_MM');
    continue when to_regclass('drip_core.' || v_name) is not null;
    if not pg_try_advisory_xact_lock(hashtextextended('pgdrip events partitions', 0)) then
      return v_made;
    end if;
    continue when to_regclass('drip_core.' || v_name) is not null;
    continue when exists (select from drip_core.events as e where e.recorded_at >= v_from and e.recorded_at < v_to);
    begin
      perform drip_core._make_event_partition(v_name, v_from, v_to);
      v_made := v_made + 1;
    exception
      when check_violation then
        -- a row of that month reached the default partition meanwhile
        continue;
      when lock_not_available then
        -- somebody reads or writes the default partition: another time
        return v_made;
      when lock_not_available then
        -- somebody reads the history: the next call makes it
        return v_made;
    end;
  end loop;
  return v_made;
end;
$$;

revoke all on function drip_core._ensure_event_partitions(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ensure_event_partitions(timestamptz) is 'Makes the monthly partitions of events ahead of time; returns how many.';
