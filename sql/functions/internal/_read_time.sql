-- requires: functions/internal/_try_time.sql
-- A timestamp as a provider writes it (ISO 8601); null for what cannot be read.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._read_time(value text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- what every cast takes needs no exception block, which is a subtransaction each time
  if _read_time.value is null then
    return null;
  elsif _read_time.value ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$' then
    return _read_time.value::timestamptz;
  end if;
  return drip_core._try_time(_read_time.value);
end;
$$;

revoke all on function drip_core._read_time(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._read_time(text) is 'An ISO 8601 timestamp, or null for what cannot be read.';
