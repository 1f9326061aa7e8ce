-- A timestamp in an unusual form of ISO 8601; null for what cannot be read. See _read_time.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._try_time(value text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if _try_time.value !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' then
    return null;
  end if;
  return _try_time.value::timestamptz;
exception
  when data_exception then
    -- the class: zones that there are not have conditions of their own
    return null;
end;
$$;

revoke all on function drip_core._try_time(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._try_time(text) is 'An ISO 8601 timestamp of any form, or null for what cannot be read.';
