-- Whether a zone name may be stored. POSIX-looking strings such as UTC+3 are refused: PostgreSQL takes them
-- with the sign turned round. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._is_timezone(name text)
returns boolean
language sql
stable
parallel safe
begin atomic
  select exists(
    select from drip_core.timezones as tz
    where tz.name = _is_timezone.name
  );
end;

revoke all on function drip_core._is_timezone(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._is_timezone(text) is 'Whether a name is a zone of this server (Area/City, UTC or GMT).';
