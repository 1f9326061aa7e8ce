-- Indexes of two foreign keys that had none.
-- Locks: share on steps and version_senders while they are built: publishing waits for that moment, sending does not. Both
-- tables have a few rows per version.
-- The previous version meanwhile: works as before.

-- squawk-ignore require-concurrent-index-creation
create index steps_thread_idx on drip_core.steps (organization_id, thread_root_id) where thread_root_id is not null;
-- squawk-ignore require-concurrent-index-creation
create index version_senders_account_idx on drip_core.version_senders (organization_id, channel_account_id);
