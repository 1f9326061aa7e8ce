-- Reads a delay ("0", "30 minutes", "2 hours", "3 days", "1 week", sums of them). Days and weeks are local calendar days,
-- minutes and hours elapse. Null problem means that it was understood.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._parse_delay(delay text, out elapsed interval, out days int, out problem text)
returns record
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text text := lower(btrim(coalesce(_parse_delay.delay, '0')));
  v_part text[];
  v_minutes bigint := 0;
  v_days bigint := 0;
begin
  elapsed := '0';
  days := 0;
  if v_text ~ 'business|next|at [0-9]|local' then
    problem := format('"%s" is not supported yet; use minutes, hours, days or weeks', left(v_text, 40));
    return;
  end if;
  if v_text <> '0' and v_text !~ '^[0-9]{1,6}\s*(m|min|mins|minute|minutes|h|hour|hours|d|day|days|w|week|weeks)([\s,]+(and\s+)?[0-9]{1,6}\s*(m|min|mins|minute|minutes|h|hour|hours|d|day|days|w|week|weeks))*$' then
    problem := format('"%s" is not a delay; try "2 days" or "30 minutes"', left(v_text, 40));
    return;
  end if;
  for v_part in select regexp_matches(v_text, '([0-9]+)\s*([a-z])', 'g') loop
    case v_part[2]
      when 'm' then v_minutes := v_minutes + v_part[1]::bigint;
      when 'h' then v_minutes := v_minutes + 60 * v_part[1]::bigint;
      when 'd' then v_days := v_days + v_part[1]::bigint;
      else v_days := v_days + 7 * v_part[1]::bigint;
    end case;
  end loop;
  if v_days > 3660 or v_minutes > 5270400 then
    problem := format('"%s" is longer than ten years', left(v_text, 40));
    return;
  end if;
  elapsed := make_interval(mins => v_minutes::int);
  days := v_days::int;
end;
$$;

revoke all on function drip_core._parse_delay(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_delay(text) is 'Elapsed time and local days of a delay, or the problem with it.';
