-- The first instant at which clocks of a zone show a local time: of an hour that comes twice the first one, where PostgreSQL
-- takes the second. A local time that is skipped is as far behind the change as it would have been without it.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._first_instant(local_time timestamp, timezone text)
returns timestamptz
language sql
stable
parallel safe
begin atomic
  select case when (y.earlier at time zone _first_instant.timezone) = _first_instant.local_time then least(y.earlier, x.later) else x.later end
  from (select _first_instant.local_time at time zone _first_instant.timezone as later) as x
  -- with the offset that was in force half a day before
  cross join
    lateral (
      select x.later - interval '12 hours' as before
    ) as b
  cross join lateral (
    select
      (
        _first_instant.local_time
        - ((b.before at time zone _first_instant.timezone) - (b.before at time zone 'UTC'))
      ) at time zone 'UTC' as earlier
  ) as y;
end;

revoke all on function drip_core._first_instant(timestamp, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._first_instant(timestamp, text) is 'The first instant at which the clocks of a zone show a local time.';
