-- A timestamp as a provider writes it (ISO 8601); null for what cannot be read.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._read_time(value text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if _read_time.value !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' then
    return null;
  end if;
  return _read_time.value::timestamptz;
exception
  when data_exception then
    -- the class: zones that there are not have conditions of their own
    return null;
end;
$$;

revoke all on function drip_core._read_time(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._read_time(text) is 'An ISO 8601 timestamp, or null for what cannot be read.';
