-- Why: a claim passes by what somebody else holds and looks at it again a second later. Where to look from is kept here, so that
-- it neither reads the queue from its beginning nor looks for expired leases, which reads everything due.
-- Locks: ACCESS EXCLUSIVE on queues for an instant (two columns without default: nothing is rewritten; its rows are read once).
-- The previous version meanwhile: works as before, and leaves both columns alone.

alter table drip_core.queues add column passed_from timestamptz;
alter table drip_core.queues add column passed_at timestamptz;
-- few rows, and both are null
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.queues add constraint what_was_passed_by_is_looked_at_again check ((passed_from is null) = (passed_at is null));
comment on column drip_core.queues.passed_from is 'Where the first scan began that passed by an enrollment which another session held; null: none did.';
comment on column drip_core.queues.passed_at is 'When the queue is read again from passed_from.';
