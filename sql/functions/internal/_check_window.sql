-- requires: functions/internal/_window_stretches.sql, functions/internal/_weekday_bit.sql, functions/internal/_check_holidays.sql, functions/internal/_check_window_timezone.sql, functions/internal/_unknown_keys.sql
-- Every problem of a sending window, with path, code and a message that says what to do; no rows: it can be compiled. One
-- judge for the window of a sequence and the default one of an organization.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_window(sending_window jsonb, at_path text)
returns table (path text, code text, message text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_window constant jsonb := _check_window.sending_window;
  v_path constant text := _check_window.at_path;
  v_item record;
  v_part text;
  v_text text;
begin
  if jsonb_typeof(v_window) not in ('object', 'array') then
    return query select v_path, 'invalid', 'a window is an object such as {"days": ["mon", "fri"], "start": "09:00", "end": "17:30", "timezone": "contact"}';
    return;
  end if;
  if v_window ? 'hours' and jsonb_typeof(v_window) = 'object' then
    return query select p.path, p.code, p.message from drip_core._unknown_keys(v_window, array['timezone', 'holidays', 'hours'], v_path) as p;
    if jsonb_typeof(v_window -> 'hours') <> 'array' then
      return query select v_path || '.hours', 'invalid', 'hours is a list such as [{"days": ["mon"], "start": "09:00", "end": "12:00"}]';
      return;
    end if;
  end if;
  if not exists (select from drip_core._window_stretches(v_window)) then
    return query select v_path, 'required', 'a window without hours would never open; leave it out for sending at all times';
    return;
  end if;
  if (select count(*) from drip_core._window_stretches(v_window)) > 50 then
    return query select v_path, 'too_large', 'a window has at most 50 stretches';
    return;
  end if;

  for v_item in
    select v_path || w.path as path, w.stretch
    from drip_core._window_stretches(v_window) as w
  loop
    if jsonb_typeof(v_item.stretch) <> 'object' then
      return query select v_item.path, 'invalid', 'an object with days, start and end is needed';
      continue;
    end if;
    return query
    select p.path, p.code, p.message
    from drip_core._unknown_keys(v_item.stretch, case
      when jsonb_typeof(v_window) = 'object' and v_window ? 'hours' then array['days', 'start', 'end']
      else array['days', 'start', 'end', 'timezone', 'holidays']
    end, v_item.path) as p;
    if v_item.stretch ? 'days' then
      if jsonb_typeof(v_item.stretch -> 'days') <> 'array' or jsonb_array_length(v_item.stretch -> 'days') = 0 then
        return query select v_item.path || '.days', 'invalid', 'days is a list of weekdays, such as ["mon", "tue"]; leave it out for every day';
      else
        return query
        select format('%s.days[%s]', v_item.path, d.ordinal - 1), 'invalid',
          format('"%s" is not a weekday; use mon, tue, wed, thu, fri, sat, sun', left(d.name, 40))
        from jsonb_array_elements_text(v_item.stretch -> 'days') with ordinality as d (name, ordinal)
        where drip_core._weekday_bit(d.name) is null;
      end if;
    end if;
    if (v_item.stretch ? 'start') <> (v_item.stretch ? 'end') then
      v_part := case when v_item.stretch ? 'start' then 'end' else 'start' end;
      return query select v_item.path || '.' || v_part, 'required', 'a window has both start and end, or neither for the whole day';
    end if;
    foreach v_part in array array['start', 'end'] loop
      v_text := v_item.stretch ->> v_part;
      if v_item.stretch ? v_part and (
        jsonb_typeof(v_item.stretch -> v_part) <> 'string'
        or v_text !~ '^([01]?[0-9]|2[0-3]):[0-5][0-9]$' and not (v_part = 'end' and v_text = '24:00')
      ) then
        return query select v_item.path || '.' || v_part, 'invalid', format('"%s" is not a time of day; use "HH:MM", in quotes', left(v_text, 40))
          || case when v_part = 'end' then ', at most "24:00"' else '' end;
      end if;
    end loop;
    if v_item.stretch ? 'timezone' and (jsonb_typeof(v_window) = 'array' or not v_window ? 'hours') then
      return query select p.path, p.code, p.message from drip_core._check_window_timezone(v_item.stretch -> 'timezone', v_item.path || '.timezone') as p;
    end if;
    if jsonb_typeof(v_window) = 'array' or not v_window ? 'hours' then
      return query select p.path, p.code, p.message from drip_core._check_holidays(v_item.stretch -> 'holidays', v_item.path || '.holidays') as p;
    end if;
  end loop;

  if jsonb_typeof(v_window) = 'object' and v_window ? 'hours' then
    if v_window ? 'timezone' then
      return query select p.path, p.code, p.message from drip_core._check_window_timezone(v_window -> 'timezone', v_path || '.timezone') as p;
    end if;
    return query select p.path, p.code, p.message from drip_core._check_holidays(v_window -> 'holidays', v_path || '.holidays') as p;
  elsif jsonb_typeof(v_window) = 'array' and (
    select count(distinct coalesce(w.stretch ->> 'timezone', '')) from drip_core._window_stretches(v_window) as w
  ) > 1 then
    return query select v_path, 'invalid', 'the windows of a sequence have one time zone; name the same one in each';
  end if;
end;
$$;

revoke all on function drip_core._check_window(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_window(jsonb, text) is 'Problems (path, code, message) of a sending window; none: it can be compiled.';
