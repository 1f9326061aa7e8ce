-- requires: functions/internal/_simulated_now.sql
-- The one clock. Column defaults and every function read it. Only members of drip_simulator (superusers count) and
-- drip.simulate can move it, by the setting drip.now; session_user decides, because definer functions share their owner.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core.now()
returns timestamptz
language sql
volatile
parallel safe
return case
  when coalesce(current_setting('drip.now', true), '') = '' then clock_timestamp()
  when pg_has_role(session_user, 'drip_simulator', 'member') then current_setting('drip.now')::timestamptz
  when coalesce(current_setting('drip.simulation', true), '') <> '' then drip_core._simulated_now()
  else clock_timestamp()
end;

revoke all on function drip_core.now() from public;
comment on function drip_core.now() is
'The clock of pgdrip: clock_timestamp(), or the setting drip.now where the login is a member of drip_simulator or drip.simulate is at work.';
