-- requires: functions/internal/_add_business_days.sql, functions/internal/_sendable_from.sql
-- What _plan_step says where it takes a calendar or a clock on the wall: calendar days, business days, then the local
-- time of day, then what elapses, then the sending window.
-- A local time that is skipped is as much later; of one that comes twice the second is meant. A local time of day that lies
-- before start_at means that of the next day: this takes a delay without days.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._plan_local(
  start_at timestamptz, delay_elapsed interval, delay_days int, delay_business_days int, delay_at time,
  timezone text, weekdays int[], starts time[], ends time[], holidays date[]
)
returns timestamptz
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_timezone constant text := _plan_local.timezone;
  v_at timestamptz := _plan_local.start_at;
  v_local timestamp;
  v_day date;
  v_time time;
begin
  if _plan_local.delay_days <> 0 or _plan_local.delay_business_days <> 0 or _plan_local.delay_at is not null then
    v_local := v_at at time zone v_timezone;
    v_day := v_local::date + _plan_local.delay_days;
    v_time := coalesce(_plan_local.delay_at, v_local::time);
    if _plan_local.delay_business_days <> 0 then
      v_day := drip_core._add_business_days(v_day, _plan_local.delay_business_days, _plan_local.holidays);
    end if;
    v_at := (v_day + v_time) at time zone v_timezone;
    if v_at < _plan_local.start_at then
      v_at := (v_day + 1 + v_time) at time zone v_timezone;
    end if;
  end if;
  return drip_core._sendable_from(
    v_at + _plan_local.delay_elapsed, v_timezone, _plan_local.weekdays, _plan_local.starts, _plan_local.ends, _plan_local.holidays);
end;
$$;

revoke all on function drip_core._plan_local(timestamptz, interval, int, int, time, text, int[], time[], time[], date[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._plan_local(timestamptz, interval, int, int, time, text, int[], time[], time[], date[]) is
'When a step is due whose delay or sending window takes a calendar.';
