-- The instant at which a step is due: local calendar days first, then the part that elapses.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._plan_step(start_at timestamptz, delay_elapsed interval, delay_days int, timezone text)
returns timestamptz
language sql
stable
parallel safe
return case
  when delay_days = 0 then start_at
  else ((start_at at time zone timezone) + make_interval(days => delay_days)) at time zone timezone
end + delay_elapsed;

revoke all on function drip_core._plan_step(timestamptz, interval, int, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._plan_step(timestamptz, interval, int, text) is 'When a step is due that follows start_at by a delay, in a time zone.';
