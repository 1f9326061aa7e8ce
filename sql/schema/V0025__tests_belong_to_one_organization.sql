-- A test message names rows of its own organization only, by composite keys as everything else.
-- Locks: share row exclusive on test_messages and on what it refers to, for a moment: test_messages is new and nearly empty.
-- The previous version meanwhile: does not know the table.

-- squawk-ignore-file adding-foreign-key-constraint, constraint-missing-not-valid
alter table drip_core.test_messages
add constraint a_test_is_of_a_sequence foreign key (organization_id, sequence_id) references drip_core.sequences (organization_id, id),
add constraint a_test_shows_a_step foreign key (organization_id, step_id) references drip_core.steps (organization_id, id),
add constraint a_test_leaves_by_an_account foreign key (organization_id, channel_account_id) references drip_core.channel_accounts (organization_id, id),
add constraint a_test_goes_to_a_member foreign key (organization_id, to_profile_id) references drip_core.members (organization_id, profile_id);
