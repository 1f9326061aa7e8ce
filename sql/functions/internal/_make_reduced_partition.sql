-- Makes the empty table into which the facts of an old month are copied: a partition of reduced_events, made so that it
-- can take the place of the month's partition at once (its indexes are there, its range is checked beforehand). One that
-- a pass has left unfinished is dropped.
-- Locks: reduced_events, which nobody but the purge uses. Errors: none. A repeat starts the copy anew.
create or replace function drip_core._make_reduced_partition(name text, lower_bound timestamptz, upper_bound timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
-- bounds pass through text: an offset in it, never the name of a zone
set datestyle = 'ISO'
as $$
begin
  execute format('drop table if exists drip_core.%I', _make_reduced_partition.name);
  execute format(
    'create table drip_core.%I (like drip_core.events including defaults including constraints including indexes, '
    || 'constraint events_are_of_this_month check (recorded_at >= %L and recorded_at < %L)) with ('
    || 'autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0)',
    _make_reduced_partition.name, _make_reduced_partition.lower_bound, _make_reduced_partition.upper_bound);
  execute format('comment on table drip_core.%I is %L', _make_reduced_partition.name,
    format('Facts recorded from %s until before %s, without their details.', _make_reduced_partition.lower_bound, _make_reduced_partition.upper_bound));
  execute format('alter table drip_core.%I enable row level security', _make_reduced_partition.name);
  execute format('alter table drip_core.%I force row level security', _make_reduced_partition.name);
  execute format('alter table drip_core.reduced_events attach partition drip_core.%I for values from (%L) to (%L)',
    _make_reduced_partition.name, _make_reduced_partition.lower_bound, _make_reduced_partition.upper_bound);
end;
$$;

revoke all on function drip_core._make_reduced_partition(text, timestamptz, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._make_reduced_partition(text, timestamptz, timestamptz) to drip_engine;
comment on function drip_core._make_reduced_partition(text, timestamptz, timestamptz) is 'Makes the empty table for the facts of an old month of events.';
