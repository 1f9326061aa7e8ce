-- Makes one partition of events apart from it and attaches it, so that writers are never locked out.
-- Locks: share update exclusive on events, access exclusive on its default partition for the moment of the attach.
-- Errors: check_violation when the default partition has rows of that range, lock_not_available while it is being read. Not to be repeated.
create or replace function drip_core._make_event_partition(name text, lower_bound timestamptz, upper_bound timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '50ms'
as $$
begin
  -- whoever reads the history holds the default partition: do not wait for them, and let nobody wait behind us
  lock table drip_core.events_default in access exclusive mode nowait;
  execute format('create table drip_core.%I (like drip_core.events including defaults including constraints)', _make_event_partition.name);
  execute format('alter table drip_core.%I enable row level security', _make_event_partition.name);
  execute format('alter table drip_core.%I force row level security', _make_event_partition.name);
  execute format('comment on table drip_core.%I is %L', _make_event_partition.name,
    format('Events recorded from %s until before %s.', _make_event_partition.lower_bound, _make_event_partition.upper_bound));
  execute format('alter table drip_core.events attach partition drip_core.%I for values from (%L) to (%L)',
    _make_event_partition.name, _make_event_partition.lower_bound, _make_event_partition.upper_bound);
end;
$$;

revoke all on function drip_core._make_event_partition(text, timestamptz, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._make_event_partition(text, timestamptz, timestamptz) to drip_engine;
comment on function drip_core._make_event_partition(text, timestamptz, timestamptz) is 'Makes and attaches one partition of events.';
