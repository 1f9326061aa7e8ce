-- Every problem of a list of holidays, with path, code and message; no rows: it can be stored.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_holidays(holidays jsonb, at_path text)
returns table (path text, code text, message text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_holidays constant jsonb := nullif(_check_holidays.holidays, 'null');
  v_path constant text := _check_holidays.at_path;
  v_item record;
begin
  if v_holidays is null then
    return;
  end if;
  if jsonb_typeof(v_holidays) <> 'array' then
    return query select v_path, 'invalid', 'holidays is a list of dates, such as ["2026-12-25"]';
    return;
  end if;
  if jsonb_array_length(v_holidays) > 1000 then
    return query select v_path, 'too_large', 'at most 1,000 holidays';
    return;
  end if;
  for v_item in
    select h.value, format('%s[%s]', v_path, h.ordinality - 1) as path
    from jsonb_array_elements(v_holidays) with ordinality as h
  loop
    if jsonb_typeof(v_item.value) <> 'string' or (v_item.value #>> '{}') !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
      return query select v_item.path, 'invalid', format('"%s" is not a date; use YYYY-MM-DD', left(v_item.value #>> '{}', 40));
      continue;
    end if;
    begin
      perform (v_item.value #>> '{}')::date;
    exception
      when datetime_field_overflow or invalid_datetime_format then
        return query select v_item.path, 'invalid', format('"%s" is not in the calendar', v_item.value #>> '{}');
    end;
  end loop;
end;
$$;

revoke all on function drip_core._check_holidays(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_holidays(jsonb, text) is 'Problems (path, code, message) of a list of holidays; none: it can be stored.';
