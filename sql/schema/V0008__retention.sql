-- What is kept for how long (for ever, unless the operator says otherwise), and the upkeep of busy tables by the server:
-- autovacuum by rows changed, not by a fifth of a large table; room in pages whose rows are updated in place.
-- Locks: share update exclusive on the tables that get settings, share on the (empty) default partition of events; each
-- for a moment. The previous version goes on working: it reads none of this.

create table drip_core.retention (
  subject text constraint retention_pkey primary key
  constraint a_subject_of_retention_is_known check (subject in ('event_details', 'late_results', 'message_values')),
  keep_for interval constraint everything_is_kept_for_a_day_at_least check (keep_for >= interval '1 day'),
  next_at timestamptz not null default '-infinity',
  position bigint[] not null default '{}',
  position_at timestamptz,
  month date,
  is_copied boolean not null default false,
  constraint events_are_kept_for_ninety_days_at_least check (subject <> 'event_details' or keep_for >= interval '90 days'),
  constraint only_events_go_by_the_month check (subject = 'event_details' or month is null)
);
comment on table drip_core.retention is
'What drip.tick purges, by drip.apply_retention, for the whole installation: one row per subject, and the place where the tick goes on.';
comment on column drip_core.retention.keep_for is 'Null: for ever.';
comment on column drip_core.retention.next_at is 'When the next pass begins.';
comment on column drip_core.retention.position is 'Key of the last row that was looked at: the tick walks the primary key, a bounded stretch per call, and starts anew a day after a pass ended.';
comment on column drip_core.retention.position_at is 'Of events: the recorded_at that belongs to position.';
comment on column drip_core.retention.month is 'Of events: the month (in UTC) that is being reduced to its facts.';
comment on column drip_core.retention.is_copied is 'Of events: the facts of the month are complete and wait to take its place.';

insert into drip_core.retention (subject) values ('event_details'), ('late_results'), ('message_values');

-- no index: each of its partitions has those of events, and becomes one of its partitions
create table drip_core.reduced_events (like drip_core.events including defaults) partition by range (recorded_at);
comment on table drip_core.reduced_events is
'The facts of an old month of events while they are being copied; then its partition takes the place of that month. Empty otherwise.';

-- finds the months that reached the default partition; costs nothing while that is empty
-- squawk-ignore require-concurrent-index-creation
create index events_default_months_idx on drip_core.events_default (recorded_at);

-- rows that are updated in place: room for a second version of a few rows of each page
alter table drip_core.contacts set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table drip_core.deals set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
alter table drip_core.sequences set (fillfactor = 50);
-- rows that come and go: small when vacuumed often
alter table drip_core.held_messages set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
alter table drip_core.detached_claims set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
alter table drip_core.contact_tags set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- rows that are only added: frozen and marked visible in small steps, not in one great pass
alter table drip_core.messages set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table drip_core.late_results set (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
);
alter table drip_core.consent_ledger set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
do $$
declare
  v_partition regclass;
begin
  for v_partition in select i.inhrelid from pg_catalog.pg_inherits as i where i.inhparent = 'drip_core.events'::regclass loop
    execute format(
      'alter table %s set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_freeze_min_age = 0)',
      v_partition);
  end loop;
end;
$$;
