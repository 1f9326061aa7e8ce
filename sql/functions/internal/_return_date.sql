-- The last day that an absence note speaks of, if it lies in the 90 days after the note came: "back on 2026-12-01", "bis
-- 01.12.2026", "until 1 December", "December 1st". A day without a year is the next one of that name.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._return_date(note text, received_on date)
returns date
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_note constant text := lower(left(_return_date.note, 5000));
  v_months constant text[] := array[
    'jan', 'feb|fév', 'mar|mär|mrz', 'apr|avr|abr', 'may|mai|mayo', 'jun|juin', 'jul|juil', 'aug|aoû|aou|ago', 'sep', 'oct|okt', 'nov',
    'dec|dez|déc|dic'
  ];
  v_found text[];
  v_year int;
  v_day date;
  v_latest date;
begin
  for v_found in
    select array[m.parts[1], m.parts[2], m.parts[3]]
    from regexp_matches(v_note, '\m(20\d\d)-(\d\d?)-(\d\d?)\M', 'g') as m (parts)
    union all
    select array[m.parts[3], m.parts[2], m.parts[1]]
    from regexp_matches(v_note, '\m(\d\d?)\.\s?(\d\d?)\.\s?(20\d\d)?', 'g') as m (parts)
    union all
    select array[m.parts[3], k.month_no::text, m.parts[1]]
    from unnest(v_months) with ordinality as k (names, month_no)
    cross join lateral regexp_matches(v_note, '\m(\d\d?)(?:st|nd|rd|th|\.|er)?(?: of| de)? ((?:' || k.names || ')[[:alpha:]]*)\.?,?(?: (?:de )?(20\d\d))?', 'g') as r (all_parts)
    cross join lateral (select array[r.all_parts[1], '', r.all_parts[3]] as parts) as m
    union all
    select array[r.parts[3], k.month_no::text, r.parts[2]]
    from unnest(v_months) with ordinality as k (names, month_no)
    cross join lateral regexp_matches(v_note, '\m((?:' || k.names || ')[[:alpha:]]*)\.? (\d\d?)(?:st|nd|rd|th)?\M,?(?: (20\d\d))?', 'g') as r (parts)
  loop
    continue when v_found[2]::int not between 1 and 12 or v_found[3]::int not between 1 and 31;
    v_year := coalesce(v_found[1]::int, extract(year from _return_date.received_on)::int);
    continue when v_found[3]::int > extract(day from make_date(v_year, v_found[2]::int, 1) + interval '1 month' - interval '1 day');
    v_day := make_date(v_year, v_found[2]::int, v_found[3]::int);
    if v_found[1] is null and v_day < _return_date.received_on then
      v_day := v_day + interval '1 year';
    end if;
    if v_day between _return_date.received_on and _return_date.received_on + 90 then
      v_latest := greatest(v_latest, v_day);
    end if;
  end loop;
  return v_latest;
end;
$$;

revoke all on function drip_core._return_date(text, date) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._return_date(text, date) is 'The last day within 90 days that an absence note speaks of; null: none.';
