-- requires: functions/internal/_first_instant.sql
-- The earliest instant from `at` on that lies in a sending window; null if there is none within 400 days.
-- A window belongs to the local day on which it starts: its weekdays (bit n: ISO weekday n) and the holidays mean that day.
-- It is half-open, [start, end); an end that is not after its start is on the next day; equal ones are 24 hours.
-- Where clocks change: a start that is skipped opens as much later, a start that comes twice opens at its second time, and
-- what the clock on the wall shows is never outside the window: an end that comes twice closes at its first time.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._next_open(
  at timestamptz, timezone text, weekdays int[], starts time[], ends time[], holidays date[] default '{}'
)
returns timestamptz
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_timezone constant text := _next_open.timezone;
  v_at constant timestamptz := _next_open.at;
  v_local constant timestamp := v_at at time zone v_timezone;
  -- yesterday's may still be open
  v_day date := v_local::date - 1;
  v_weekday int;
  v_start timestamp;
  v_end timestamp;
  v_candidate timestamptz;
  v_shown timestamp;
  v_best timestamptz;
begin
  for v_n in 0 .. 401 loop
    if v_day <> all (_next_open.holidays) then
      v_weekday := 1 << extract(isodow from v_day)::int;
      for v_i in 1 .. cardinality(_next_open.weekdays) loop
        continue when _next_open.weekdays[v_i] & v_weekday = 0;
        v_end := v_day + case when _next_open.ends[v_i] > _next_open.starts[v_i] then 0 else 1 end + _next_open.ends[v_i];
        continue when v_end <= v_local;
        v_start := v_day + _next_open.starts[v_i];
        v_candidate := greatest(v_at, v_start at time zone v_timezone);
        v_shown := v_candidate at time zone v_timezone;
        continue when v_shown >= v_end;
        -- the clocks may have shown the end before they were put back
        if (v_candidate - interval '12 hours') at time zone v_timezone + interval '12 hours' < v_end
          or v_candidate < drip_core._first_instant(v_end, v_timezone)
        then
          v_best := least(v_best, v_candidate);
        end if;
      end loop;
      -- an opening that was moved behind midnight: a window of the next day may open before
      if v_best = v_at or (v_best at time zone v_timezone)::date <= v_day then
        return v_best;
      end if;
    end if;
    v_day := v_day + 1;
  end loop;
  return v_best;
end;
$$;

revoke all on function drip_core._next_open(timestamptz, text, int[], time[], time[], date[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._next_open(timestamptz, text, int[], time[], time[], date[]) is
'The earliest instant from a given one on that lies in a sending window, by the clock on the wall; null if there is none within 400 days.';
