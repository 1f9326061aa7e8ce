-- How many messages a sender may send on a local day: its daily limit and its ramp; null for no limit.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._effective_limit(daily_limit int, ramp_start int, ramp_increment int, first_claim_day date, day date)
returns int
language sql
immutable
parallel safe
return least(
  daily_limit,
  case when ramp_start is not null then
      least(ramp_start + ramp_increment::bigint * (day - least(coalesce(first_claim_day, day), day)), 2147483647)::int
  end
);

revoke all on function drip_core._effective_limit(int, int, int, date, date) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._effective_limit(int, int, int, date, date) to drip_analyst;
comment on function drip_core._effective_limit(int, int, int, date, date) is 'Messages a sender may send on a local day, by daily limit and ramp; null for no limit.';
