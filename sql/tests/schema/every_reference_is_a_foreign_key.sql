-- A column that names a row is held to it by a composite foreign key, so that it cannot name one of another organization; where it
-- is not, there is a reason. A key that is dropped, or forgotten, is found here.
begin;
select plan(4);
create temporary table exceptions (table_name text, columns text, reason text not null) on commit drop;
insert into exceptions values
(
  'events',
  'organization_id contact_id enrollment_id sequence_id step_id channel_account_id actor_profile_id',
  'only the engine writes it, from rows that have them'
),
('reduced_events', 'organization_id contact_id enrollment_id sequence_id step_id channel_account_id actor_profile_id', 'copies of events'),
(
  'messages',
  'organization_id contact_id enrollment_id sequence_id step_id channel_account_id',
  'written once per message: drip_core.invariant_violations checks it'
),
('messages', 'provider_message_id', 'a provider''s'),
('detached_claims', 'organization_id enrollment_id channel_account_id', 'a claim in flight: its enrollment has them'),
('late_results', 'organization_id enrollment_id provider_message_id', 'what a provider said, of whatever'),
('held_messages', 'step_id channel_account_id', 'its enrollment has them'),
('wakeups', 'organization_id sequence_id channel_account_id', 'come and go with every message'),
('replans', 'contact_id after_enrollment_id', 'come and go; the second is a place, not a reference'),
('queues', 'due_from_id', 'a place, not a reference'),
('simulations', 'organization_id', 'a shadow organization that is rolled back'),
('suppressions', 'sequence_id', 'outlives what it was about'),
('consent_ledger', 'enrollment_id step_id actor_profile_id', 'evidence outlives what it was about'),
('inbound_messages', 'contact_id enrollment_id step_id external_id', 'a fact lands whatever it is about'),
('provider_events', 'contact_id enrollment_id step_id channel_account_id provider_message_id', 'a fact lands whatever it is about'),
('tracking_hits', 'step_id event_id', 'its enrollment has the step; events have no key without their time'),
('audit_entries', 'organization_id profile_id', 'evidence outlives what it was about'),
('test_messages', 'test_id provider_message_id', 'ids of its own, and a provider''s'),
('report_deltas', 'organization_id sequence_id step_id channel_account_id', 'counts of events, which only the engine writes'),
('report_cells', 'organization_id sequence_id step_id channel_account_id', 'the same'),
('report_facts', 'organization_id enrollment_id', 'the same'),
(
  'report_conversions',
  'organization_id contact_id enrollment_id sequence_id step_id channel_account_id deal_id',
  'the same'
),
('reaction_failures', 'contact_id enrollment_id fact_id', 'what failed may be anything'),
('contacts', 'external_id', 'of another system'),
('deals', 'external_id', 'of another system');

create temporary view references_without_key as
select
  c.relname::text as table_name,
  a.attname::text as column_name
from pg_class as c
inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped and a.attname ~ '_id$'
where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and not exists (
    select from pg_constraint as f
    where f.contype = 'f' and f.convalidated and f.conrelid = c.oid and f.conkey @> array[a.attnum]
      -- alone it holds an organization or a person; what else there is, it holds together with its organization
      and (f.conkey[1] = a.attnum or cardinality(f.conkey) > 1)
  );
select set_eq(
  $$ select table_name || '.' || column_name from references_without_key $$,
  $$ select e.table_name || '.' || c.name from exceptions as e cross join lateral unnest(string_to_array(e.columns, ' ')) as c (name) $$,
  'H2: every column that names a row is held by a foreign key, or has a reason'
);
select is_empty(
  $$
    select f.conname from pg_constraint as f
    where f.contype = 'f' and f.connamespace = 'drip_core'::regnamespace and (not f.convalidated or f.condeferrable)
  $$,
  'H2: every foreign key holds for all rows, at once'
);
-- keys of three columns; the version of an enrollment is checked by drip_core.invariant_violations
select set_eq(
  $$
    select f.conrelid::regclass::text || '.' || a.attname
    from pg_constraint as f
    join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = any (f.conkey)
    where f.contype = 'f' and f.connamespace = 'drip_core'::regnamespace and f.conparentid = 0 and a.attname !~ '_id$'
  $$,
  array['drip_core.steps.version', 'drip_core.version_senders.version'],
  'H2: versions are held as well'
);
select ok((
  select count(*) > 30 from pg_constraint as f
  where f.contype = 'f' and f.connamespace = 'drip_core'::regnamespace
), 'the test sees the foreign keys');
select * from finish();
rollback;
