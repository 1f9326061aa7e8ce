-- requires: functions/internal/_next_open.sql
-- The earliest instant from `at` on at which a sending window lets a message go; without stretches that is `at`.
-- A window that does not open within 400 days is looked at again then.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._sendable_from(
  at timestamptz, timezone text, weekdays int[], starts time[], ends time[], holidays date[]
)
returns timestamptz
language sql
stable
parallel safe
return case
  when cardinality(weekdays) > 0
    then coalesce(drip_core._next_open(at, timezone, weekdays, starts, ends, holidays), at + interval '9600 hours')
  else at
end;

revoke all on function drip_core._sendable_from(timestamptz, text, int[], time[], time[], date[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._sendable_from(timestamptz, text, int[], time[], time[], date[]) is
'The earliest instant from a given one on at which a sending window lets a message go; no stretches: at once; never open: 400 days later.';
