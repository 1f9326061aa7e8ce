-- Reads a delay: "0", "30 minutes", "2 hours", "3 days", "1 week", "2 business days", "next day", sums of them; and what comes
-- last, "at 09:00" or "at 09:00 local", says the local time of day. Days and weeks are local calendar days, minutes and hours
-- elapse. Null problem means that it was understood.
-- Locks: none. Errors: none. Harmless to repeat.
do $$
begin
  -- the one of 0.1.0, whose result was another; dropped only then, for others are built on this one
  if exists (
    select from pg_catalog.pg_proc as p
    where p.oid = pg_catalog.to_regprocedure('drip_core._parse_delay(text)') and 'at_time' <> all (p.proargnames)
  ) then
    drop function drip_core._parse_delay(text);
  end if;
end;
$$;
create or replace function drip_core._parse_delay(
  delay text, out elapsed interval, out days int, out business_days int, out at_time time, out problem text
)
returns record
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_number constant text := '[0-9]{1,6}\s*(m|min|mins|minute|minutes|h|hour|hours|d|day|days|w|week|weeks|(business|working)\s+days?)';
  c_part constant text := '(next\s+((business|working)\s+)?day|' || c_number || ')';
  v_text text := lower(btrim(coalesce(_parse_delay.delay, '0'), E' \t\n\r'));
  v_shown constant text := left(v_text, 40);
  v_at text;
  v_part text[];
  v_minutes bigint := 0;
  v_days bigint := 0;
  v_business_days bigint := 0;
begin
  elapsed := '0';
  days := 0;
  business_days := 0;
  -- the local time of day
  v_at := substring(v_text from '\mat\M\s*(.*)$');
  if v_at is not null then
    v_text := rtrim(substring(v_text from '^(.*?)\mat\M'), E' \t\n\r,');
    v_at := regexp_replace(v_at, '\s+local$', '');
    if v_at ~ '\mat\M' then
      problem := format('"%s" says two local times; one is enough', v_shown);
      return;
    elsif v_at !~ '^([01]?[0-9]|2[0-3]):[0-5][0-9]$' then
      problem := format('"%s" has no local time of day behind "at"; write one from 00:00 to 23:59, as in "next day at 09:00"', v_shown);
      return;
    end if;
    v_text := coalesce(nullif(v_text, ''), '0');
  end if;

  if v_text <> '0' and v_text !~ ('^' || c_part || '([\s,]+(and\s+)?' || c_part || ')*$') then
    problem := format('"%s" is not a delay; try "2 days", "30 minutes", "2 business days" or "next day at 09:00"', v_shown);
    return;
  end if;
  for v_part in select regexp_matches(v_text, '(next|[0-9]+)\s*(m|h|d|b|wo|w)', 'g') loop
    v_part[1] := replace(v_part[1], 'next', '1');
    case v_part[2]
      when 'm' then v_minutes := v_minutes + v_part[1]::bigint;
      when 'h' then v_minutes := v_minutes + 60 * v_part[1]::bigint;
      when 'd' then v_days := v_days + v_part[1]::bigint;
      when 'w' then v_days := v_days + 7 * v_part[1]::bigint;
      else v_business_days := v_business_days + v_part[1]::bigint;
    end case;
  end loop;
  if v_at is not null and v_minutes > 0 then
    problem := format('"%s" has hours or minutes and a local time of day; leave one of them out', v_shown);
    return;
  end if;
  if v_days + v_business_days * 7 / 5 + v_minutes / 1440 > 3660 then
    problem := format('"%s" is longer than ten years', v_shown);
    return;
  end if;
  elapsed := make_interval(mins => v_minutes::int);
  days := v_days::int;
  business_days := v_business_days::int;
  at_time := v_at::time;
end;
$$;

revoke all on function drip_core._parse_delay(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_delay(text) is
'Elapsed time, local days, business days and local time of day of a delay, or the problem with it.';
