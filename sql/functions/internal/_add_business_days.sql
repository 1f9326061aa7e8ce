-- The business day that comes so many business days behind a day: Monday to Friday without holidays.
-- The day itself does not count: from a Friday, Saturday or Sunday the first is Monday.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._add_business_days(day date, business_days int, holidays date[])
returns date
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_left int := _add_business_days.business_days;
  -- the last weekday up to the day: 0 (Monday) to 4
  v_weekday int := least(extract(isodow from _add_business_days.day)::int - 1, 4);
  v_from date := _add_business_days.day - (extract(isodow from _add_business_days.day)::int - 1 - v_weekday);
  v_to date;
begin
  -- as many weekdays on; then as many more as there were holidays among them
  while v_left > 0 loop
    v_weekday := v_weekday + v_left % 5;
    v_to := v_from + v_left / 5 * 7 + v_left % 5 + v_weekday / 5 * 2;
    v_weekday := v_weekday % 5;
    exit when cardinality(_add_business_days.holidays) = 0;
    v_left := (
      select count(distinct h.day)
      from unnest(_add_business_days.holidays) as h (day)
      where h.day > v_from and h.day <= v_to and extract(isodow from h.day) < 6
    );
    v_from := v_to;
  end loop;
  return coalesce(v_to, _add_business_days.day);
end;
$$;

revoke all on function drip_core._add_business_days(date, int, date[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._add_business_days(date, int, date[]) is
'The business day (Monday to Friday without holidays) that comes so many business days behind a day.';
