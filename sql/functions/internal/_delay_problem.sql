-- requires: functions/internal/_parse_delay.sql
-- The problem of a delay that has no calendar to count in (between attempts, before a re-entry); null: it is one.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._delay_problem(delay text)
returns text
language sql
immutable
parallel safe
begin atomic
  select
    coalesce(p.problem, case
      when p.business_days > 0 or p.at_time is not null
        then format('"%s" has business days or a local time, which are for steps; use minutes, hours, days or weeks', left(_delay_problem.delay, 40))
    end)
  from drip_core._parse_delay(_delay_problem.delay) as p;
end;

revoke all on function drip_core._delay_problem(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._delay_problem(text) is 'The problem of a delay between attempts or before a re-entry; null: it is one.';
