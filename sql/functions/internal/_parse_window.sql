-- requires: functions/internal/_window_stretches.sql, functions/internal/_weekday_bit.sql
-- Compiles a checked sending window to the columns of sequence_versions and organizations; null: no window.
-- Locks: none. Errors: none for a window that passed _check_window. Harmless to repeat.
create or replace function drip_core._parse_window(
  sending_window jsonb, out timezone text, out weekdays int[], out starts time[], out ends time[], out holidays date[]
)
returns record
language sql
immutable
parallel safe
begin atomic
  select
    coalesce(_parse_window.sending_window ->> 'timezone', min(w.stretch ->> 'timezone')) as timezone,
    coalesce(array_agg(coalesce((
      select bit_or(drip_core._weekday_bit(d.name))
      from jsonb_array_elements_text(w.stretch -> 'days') as d (name)
    ), 254) order by w.ordinality), '{}') as weekdays,
    coalesce(array_agg(coalesce(w.stretch ->> 'start', '00:00')::time order by w.ordinality), '{}') as starts,
    coalesce(array_agg(coalesce(w.stretch ->> 'end', '24:00')::time order by w.ordinality), '{}') as ends,
    array(
      select distinct h.day::date as day
      from (
        select _parse_window.sending_window as stretch
        where jsonb_typeof(_parse_window.sending_window) = 'object'
        union all
        select l.value as stretch
        from jsonb_array_elements(case when jsonb_typeof(_parse_window.sending_window) = 'array' then _parse_window.sending_window else '[]' end) as l
      ) as k
      cross join lateral jsonb_array_elements_text(coalesce(nullif(k.stretch -> 'holidays', 'null'), '[]')) as h (day)
      order by day
    ) as holidays
  from drip_core._window_stretches(_parse_window.sending_window) with ordinality as w;
end;

revoke all on function drip_core._parse_window(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_window(jsonb) is 'Compiles a checked sending window to columns; no weekdays: no window.';
