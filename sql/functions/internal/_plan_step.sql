-- requires: functions/internal/_plan_local.sql
-- The instant at which a step is due: calendar days, business days (Monday to Friday without holidays) and the time of day,
-- all in the time zone; then what elapses; then on to when the sending window is open.
-- Steps without window, business days and time of day are planned in line, at next to no cost.
-- Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._plan_step(timestamptz, interval, int, text);
create or replace function drip_core._plan_step(
  start_at timestamptz, delay_elapsed interval, delay_days int, delay_business_days int, delay_at time,
  timezone text, weekdays int[], starts time[], ends time[], holidays date[]
)
returns timestamptz
language sql
stable
parallel safe
return case
  when delay_business_days = 0 and delay_at is null and cardinality(weekdays) = 0 and delay_days = 0
    then start_at + delay_elapsed
  when delay_business_days = 0 and delay_at is null and cardinality(weekdays) = 0
    then ((start_at at time zone timezone) + make_interval(days => delay_days)) at time zone timezone + delay_elapsed
  -- a step that is not there is not due
  when delay_days is not null
    then drip_core._plan_local(start_at, delay_elapsed, delay_days, delay_business_days, delay_at, timezone, weekdays, starts, ends, holidays)
end;

revoke all on function drip_core._plan_step(timestamptz, interval, int, int, time, text, int[], time[], time[], date[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._plan_step(timestamptz, interval, int, int, time, text, int[], time[], time[], date[]) is
'When a step is due that follows start_at by a delay, in a time zone and a sending window.';
