-- owner: drip_engine
-- requires: grants/tables.sql, functions/internal/_ensure_secret_keys.sql, functions/internal/_ensure_event_partitions.sql
-- What an installation needs before its first call: its two secret keys (an upgrade makes a new
-- one for links) and the partitions of the first months.
select drip_core._ensure_secret_keys();
select drip_core._ensure_event_partitions(drip_core.now());
