-- Says what enrollments.sender_ids and step_id mean once an enrollment was migrated to another version.
-- Locks: share update exclusive on enrollments for a moment; reading and writing go on. The code before works as it did.

comment on column drip_core.enrollments.sender_ids is
'The sender chosen for each channel, for life: first those of the version that the step belongs to, positions as in its sequence_versions.channels; then those of channels that only versions before a migration had.';
