-- A sender by weight, from a hash of the entry: the same entry always gets the same sender of the same candidates.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._choose_sender(
  contact_id bigint, sequence_id bigint, entry_no int, channel_no bigint, account_ids bigint[], upper_ends bigint[]
)
returns bigint
language sql
immutable
parallel safe
return account_ids[1 + width_bucket(
  mod(
    hashint8extended(contact_id, channel_no * 1000003 + sequence_id * 31 + entry_no) & 9223372036854775807,
    upper_ends[cardinality(upper_ends)]
  ),
  upper_ends
)];

revoke all on function drip_core._choose_sender(bigint, bigint, int, bigint, bigint[], bigint[])
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._choose_sender(bigint, bigint, int, bigint, bigint[], bigint[]) is
'The sender of an entry for a channel, by weight, among the candidates of _sender_candidates.';
