-- requires: functions/internal/_is_timezone.sql, functions/internal/_nearest_word.sql
-- The problem of a window's time zone, with path, code and message; no rows: it is one.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_window_timezone(timezone jsonb, at_path text)
returns table (path text, code text, message text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_name constant text := _check_window_timezone.timezone #>> '{}';
begin
  if jsonb_typeof(_check_window_timezone.timezone) <> 'string' or (v_name <> 'contact' and not drip_core._is_timezone(v_name)) then
    return query select _check_window_timezone.at_path, 'invalid',
      format('"%s" is not a zone name; use Area/City such as Europe/Berlin, or contact for that of each contact', left(v_name, 60))
      || coalesce('; did you mean "' || drip_core._nearest_word(left(v_name, 60), array(
        select t.name from drip_core.timezones as t where left(lower(t.name), 1) = left(lower(v_name), 1) order by t.name)) || '"?', '');
  end if;
end;
$$;

revoke all on function drip_core._check_window_timezone(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_window_timezone(jsonb, text) is 'The problem (path, code, message) of a window''s time zone, if any.';
