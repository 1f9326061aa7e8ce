-- Drops one partition of events and puts its facts in its place, in one step.
-- Locks: access exclusive on events, its default partition and the one that goes, waiting at most 50 ms for each (nobody
-- waits behind it for longer), until the end of the transaction. Errors: lock_not_available. Not to be repeated.
create or replace function drip_core._replace_event_partition(old_name text, new_name text, lower_bound timestamptz, upper_bound timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
-- bounds pass through text: an offset in it, never the name of a zone
set datestyle = 'ISO'
set lock_timeout = '50ms'
as $$
begin
  lock table only drip_core.events in access exclusive mode;
  execute format('alter table drip_core.reduced_events detach partition drip_core.%I', _replace_event_partition.new_name);
  execute format('alter table drip_core.events detach partition drip_core.%I', _replace_event_partition.old_name);
  execute format('drop table drip_core.%I', _replace_event_partition.old_name);
  execute format('alter table drip_core.events attach partition drip_core.%I for values from (%L) to (%L)',
    _replace_event_partition.new_name, _replace_event_partition.lower_bound, _replace_event_partition.upper_bound);
  execute format('alter table drip_core.%I drop constraint events_are_of_this_month', _replace_event_partition.new_name);
end;
$$;

revoke all on function drip_core._replace_event_partition(text, text, timestamptz, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._replace_event_partition(text, text, timestamptz, timestamptz) to drip_engine;
comment on function drip_core._replace_event_partition(text, text, timestamptz, timestamptz) is 'Drops one partition of events and puts its facts in its place.';
