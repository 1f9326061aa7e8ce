-- Why: an enrollment is held to a step of its own sequence, no longer to any step of its organization, and that key has an index:
-- who is at a step is found without reading all. The sequence is held with it, so the key to the version, which had no index
-- either, goes; a version never goes (X8), and drip_core.invariant_violations names an enrollment of one that never was.
-- The other indexes are of small tables.
-- Locks: share row exclusive on enrollments while its index is built (about a second for a million) and the new key is checked:
-- sending waits. A moment on steps, test_messages and address_checks.
-- The previous version meanwhile: works as before.

-- a few rows per version; what this key refuses, no function ever wrote
-- squawk-ignore constraint-missing-not-valid,disallowed-unique-constraint
alter table drip_core.steps add constraint a_step_is_of_one_sequence unique (organization_id, sequence_id, id);

-- squawk-ignore require-concurrent-index-creation
create index enrollments_step_idx on drip_core.enrollments (organization_id, sequence_id, step_id) where step_id is not null;
-- squawk-ignore ban-drop-constraint
alter table drip_core.enrollments drop constraint an_enrollment_points_at_a_step;
-- squawk-ignore ban-drop-constraint
alter table drip_core.enrollments drop constraint an_enrollment_belongs_to_a_version;
alter table drip_core.enrollments add constraint an_enrollment_points_at_a_step
foreign key (organization_id, sequence_id, step_id)
references drip_core.steps (organization_id, sequence_id, id) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.enrollments validate constraint an_enrollment_points_at_a_step;

-- squawk-ignore require-concurrent-index-creation
create index address_checks_account_idx on drip_core.address_checks (organization_id, channel_account_id);
-- squawk-ignore require-concurrent-index-creation
create index test_messages_sequence_idx on drip_core.test_messages (organization_id, sequence_id);
-- squawk-ignore require-concurrent-index-creation
create index test_messages_step_idx on drip_core.test_messages (organization_id, step_id);
-- squawk-ignore require-concurrent-index-creation
create index test_messages_account_idx on drip_core.test_messages (organization_id, channel_account_id);
-- squawk-ignore require-concurrent-index-creation
create index test_messages_member_idx on drip_core.test_messages (organization_id, to_profile_id);
