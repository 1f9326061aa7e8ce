-- Who may touch which table and view: the decisions, as a table. One that is not listed fails.
begin;
select plan(9);

-- what drip_analyst may read, column by column: names of things and states, never an address or a body
create temporary table analyst_columns (name text primary key, columns text) on commit drop;
insert into analyst_columns values
('organizations', 'id name timezone'),
('sequences', 'organization_id id key name status current_version'),
('sequence_versions', 'organization_id sequence_id version step_count published_at'),
('steps', 'organization_id id sequence_id version step_no key channel'),
('channel_accounts', 'organization_id id key channel daily_limit ramp_start ramp_increment min_gap max_gap timezone provider_limit'),
('lanes', 'organization_id channel_account_id status reason detail next_slot_at slot_reason counter_day used leased held first_claim_day'),
(
  'enrollments',
  'organization_id id sequence_id version contact_id entry_no status status_reason step_id channel_account_id next_step_at lease_expires_at enrolled_at'
),
(
  'consent_ledger',
  'organization_id id contact_id channel state is_effective basis source wording_version actor_profile_id occurred_at recorded_at step_id'
),
('reaction_failures', 'organization_id id kind fact_id contact_id enrollment_id reason occurred_at failed_at error_code attempts next_try_at resolved_at'),
('provider_events', 'organization_id id type state occurred_at recorded_at next_try_at enrollment_id'),
('inbound_messages', 'organization_id id class state channel received_at recorded_at next_try_at enrollment_id'),
('suppressions', 'organization_id id channel sequence_id reason created_at lifted_at lifted_by'),
('messages', 'organization_id enrollment_id step_id sequence_id version channel channel_account_id status reason settled_at'),
('held_messages', 'organization_id enrollment_id step_id channel_account_id claim_token handed_over_at held_at error_code'),
(
  'report_cells',
  'organization_id scope sequence_id version day step_id channel_account_id subject outcome reason error_code enrolled active paused '
  || 'completed failed exited removed bounced unsubscribed contacted sender_contacted channel_contacted messages_sent messages_failed '
  || 'reached skipped delivered messages_bounced messages_opened messages_clicked machine_opens machine_clicks replies unsubscribes '
  || 'complaints conversions step_replies step_unsubscribes step_complaints step_conversions sender_replies sender_unsubscribes '
  || 'sender_complaints sender_conversions channel_replies channel_unsubscribes channel_complaints channel_conversions auto_replies '
  || 'occurrences'
),
(
  'report_deltas',
  'organization_id id scope sequence_id version cohort_day day step_id channel_account_id subject outcome reason error_code enrolled '
  || 'active paused completed failed exited removed bounced unsubscribed contacted sender_contacted channel_contacted messages_sent '
  || 'messages_failed reached skipped delivered messages_bounced messages_opened messages_clicked machine_opens machine_clicks replies '
  || 'unsubscribes complaints conversions step_replies step_unsubscribes step_complaints step_conversions sender_replies '
  || 'sender_unsubscribes sender_complaints sender_conversions channel_replies channel_unsubscribes channel_complaints '
  || 'channel_conversions auto_replies occurrences'
),
(
  'report_conversions',
  'organization_id id enrollment_id contact_id sequence_id version step_id channel_account_id converted_at deal_id amount currency'
),
(
  'events',
  'organization_id id recorded_at occurred_at type reason enrollment_id contact_id sequence_id version step_id channel channel_account_id is_machine is_test'
);
create temporary table closed_tables (name text primary key) on commit drop;
insert into closed_tables
select unnest(array[
  'address_aliases', 'address_checks', 'address_locks', 'assigned_secrets', 'audit_entries', 'contacts', 'contact_tags', 'deals',
  'detached_claims', 'late_results', 'login_organizations', 'members',
  'migration_state',
  'migrations',
  'profiles',
  'queues',
  'reasons',
  'reduced_events',
  'replans', 'report_facts', 'report_builds', 'inboxes', 'tracking_hits', 'step_links', 'sender_hours', 'machine_agents', 'bounce_codes',
  'retention',
  'role_permissions',
  'secret_keys',
  'simulations',
  'status_transitions',
  'test_messages',
  'timezones',
  'version_senders', 'wakeups', 'whatsapp_templates'
]);

create temporary view relations as
select
  c.oid,
  c.relname::text as name,
  c.relnamespace::regnamespace::text as schema,
  c.relkind,
  c.relispartition
from pg_class as c
where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report') and c.relkind in ('r', 'p', 'v', 'm', 'f');

select set_eq(
  $$ select name from relations where schema = 'drip_core' and relkind in ('r', 'p') and not relispartition $$,
  $$ select name from analyst_columns union all select name from closed_tables $$,
  'L1: every table has a decision'
);
select set_eq(
  $$ select schema || '.' || name from relations where relkind = 'v' $$,
  array[
    'drip_core.invariant_violations', 'drip_report.channel_performance', 'drip_report.cohorts', 'drip_report.consent_log', 'drip_report.conversions',
    'drip_report.daily_activity', 'drip_report.delivery_errors', 'drip_report.outcome_reasons', 'drip_report.recent_activity',
    'drip_report.sender_performance', 'drip_report.step_funnel', 'drip_report.enrollment_status', 'drip_report.lane_status', 'drip_report.reaction_failures',
    'drip_report.sequence_overview', 'drip_report.unmatched_facts',
    'drip_report.unknown_outcomes'
  ],
  'L1: every view has a decision'
);
select is_empty(
  $$ select name from relations where schema = 'drip' or relkind in ('m', 'f') $$,
  'L1: schema drip has no relations of its own'
);
select is_empty(
  $$
    select r.name, g.role
    from relations as r
    cross join unnest(array['drip_app', 'drip_runner', 'drip_public', 'drip_simulator']) as g (role)
    where has_table_privilege(g.role, r.oid, 'select, insert, update, delete, truncate, references, trigger')
      or has_any_column_privilege(g.role, r.oid, 'select, insert, update, references')
  $$,
  'L1: services, runners, the public and simulators touch no table and no view'
);
select is_empty(
  $$
    select r.name from relations as r
    where has_table_privilege('drip_analyst', r.oid, 'insert, update, delete, truncate, references, trigger')
      or has_any_column_privilege('drip_analyst', r.oid, 'insert, update, references')
  $$,
  'L1: analysts write nothing'
);
select set_eq(
  $$ select name from relations where has_table_privilege('drip_analyst', oid, 'select') $$,
  $$ select name from relations where schema = 'drip_report' $$,
  'L1: analysts read every reporting view and no whole table'
);
select set_eq(
  $$
    select r.name || '.' || a.attname
    from relations as r
    join pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    where r.schema = 'drip_core' and has_column_privilege('drip_analyst', r.oid, a.attnum, 'select')
  $$,
  $$ select name || '.' || unnest(string_to_array(columns, ' ')) from analyst_columns $$,
  'L1: analysts read exactly the columns decided'
);
select is_empty(
  $$
    select r.name from relations as r
    where r.relispartition and (has_table_privilege('drip_engine', r.oid, 'select, insert, update, delete, truncate')
      or has_any_column_privilege('drip_analyst', r.oid, 'select'))
  $$,
  'L1: a partition is reached through its parent only'
);
select is_empty(
  $$
    select c.relname, g.role
    from pg_class as c
    cross join unnest(array['drip_app', 'drip_runner', 'drip_public', 'drip_analyst', 'drip_simulator']) as g (role)
    where c.relkind = 'S' and c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')
      and has_sequence_privilege(g.role, c.oid, 'usage, select, update')
  $$,
  'L1: nobody but the owners draws ids'
);
select * from finish();
rollback;
