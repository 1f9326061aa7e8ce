-- The bit of a weekday (bit n: ISO weekday n, Monday is 1) from its name, its first three letters or its number; else null.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._weekday_bit(name text)
returns int
language sql
immutable
parallel safe
begin atomic
  select 1 << d.ordinal::int
  from unnest(array['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']) with ordinality as d (name, ordinal)
  where lower(btrim(_weekday_bit.name)) in (d.name, left(d.name, 3), d.ordinal::text);
end;

revoke all on function drip_core._weekday_bit(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._weekday_bit(text) is 'The bit of a weekday from its name, its first three letters or its ISO number; else null.';
