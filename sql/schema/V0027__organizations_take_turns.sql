-- Why: a claim looks up the ready lanes of one organization after the other, so that no organization's many lanes, ready or
-- locked by somebody else, stand before those of another one. lanes_ready_idx stays: it tells which organizations have any.
-- Locks: share on lanes while the index is built (a moment: one row per sender); sending waits.
-- The previous version meanwhile: works as before.

-- squawk-ignore require-concurrent-index-creation
create index lanes_turn_idx on drip_core.lanes (organization_id, ready_at) where status = 'active';
