-- The time zone of a contact where the server knows it, else null: one bad name never stops others. Names are checked when
-- they are written; this is for those that came another way.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._known_timezone(name text)
returns text
language sql
strict
stable
parallel safe
begin atomic
  select tz.name
  from drip_core.timezones as tz
  where tz.name = _known_timezone.name;
end;

revoke all on function drip_core._known_timezone(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._known_timezone(text) is 'The time zone of a contact where the server knows it, else null.';
