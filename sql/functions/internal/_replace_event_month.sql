-- owner: drip_engine
-- requires: functions/internal/_replace_event_partition.sql
-- Where the facts of an old month are complete, puts them in its place; returns whether it did. It needs events for
-- itself, so the tick calls it before it locks anything else, and ends right after it: what it holds, it holds for
-- milliseconds. Where somebody reads the history, the next call tries again.
-- Locks: the row of the setting with skip locked, then those of _replace_event_partition. Errors: none.
create or replace function drip_core._replace_event_month(at timestamptz)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from timestamptz;
  v_to timestamptz;
  v_name text;
begin
  select r.month::timestamp at time zone 'UTC', (r.month + interval '1 month') at time zone 'UTC', 'events_' || to_char(r.month, 'YYYY_MM')
  into v_from, v_to, v_name
  from drip_core.retention as r
  where r.subject = 'event_details' and r.is_copied and (r.month + interval '1 month') at time zone 'UTC' <= _replace_event_month.at - r.keep_for
  for no key update skip locked;
  if v_name is null then
    return false;
  end if;
  begin
    perform drip_core._replace_event_partition(v_name, v_name || '_facts', v_from, v_to);
  exception
    when lock_not_available then
      return false;
  end;
  update drip_core.retention as r
  set month = null, is_copied = false, position = '{}', position_at = null
  where r.subject = 'event_details';
  return true;
end;
$$;

revoke all on function drip_core._replace_event_month(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._replace_event_month(timestamptz) is 'Puts the facts of an old month in its place once they are complete; whether it did.';
