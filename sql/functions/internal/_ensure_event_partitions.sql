-- owner: drip_engine
-- requires: functions/internal/_make_event_partition.sql
-- Makes the partitions of events for the month of an instant and the three after it, and those of the twelve months
-- before it of which rows have reached the default partition (nobody ticked for months): they move into it, up to 10,000
-- of a month; more than that stay where they are, and are found there.
-- Locks: the row of the address key (a rival goes away); those of _make_event_partition, waiting for nobody. Errors: none. A repeat changes nothing.
create or replace function drip_core._ensure_event_partitions(at timestamptz)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_from timestamptz;
  v_to timestamptz;
  v_name text;
  v_rows int;
  v_made int := 0;
begin
  for v_i in -12 .. 3 loop
    v_from := (date_trunc('month', _ensure_event_partitions.at at time zone 'UTC') + make_interval(months => v_i)) at time zone 'UTC';
    v_to := ((v_from at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    v_name := 'events_' || to_char(v_from at time zone 'UTC', 'YYYY_MM');
    continue when to_regclass('drip_core.' || v_name) is not null or to_regclass('drip_core.' || v_name || '_facts') is not null;
    -- a rival that makes partitions holds the default one: reading it would be waiting for that
    -- the row of the address key: there always is one, nothing else locks it, and (unlike an advisory lock) no other login can
    perform from drip_core.secret_keys as k where k.purpose = 'address' and k.is_current for no key update skip locked;
    if not found then
      return v_made;
    end if;
    continue when to_regclass('drip_core.' || v_name) is not null;
    -- where it has no partition, the month can only be in the default one
    select count(*)
    into v_rows
    from (select from drip_core.events as e where e.recorded_at >= v_from and e.recorded_at < v_to limit 10001) as x;
    continue when v_rows > 10000 or (v_i < 0 and v_rows = 0);
    begin
      perform drip_core._make_event_partition(v_name, v_from, v_to);
      v_made := v_made + 1;
    exception
      when lock_not_available then
        -- somebody reads or writes the default partition: the next call makes it
        return v_made;
    end;
  end loop;
  return v_made;
end;
$$;

revoke all on function drip_core._ensure_event_partitions(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ensure_event_partitions(timestamptz) is 'Makes the monthly partitions of events ahead of time; returns how many.';
