-- Why: two sessions that store the same new contact by its address become one contact because the second waits for the first.
-- It waited for an advisory lock, which any login may hold; it waits at the key of a row now, which only the owners reach.
-- Locks: new objects.
-- The previous version meanwhile: works as before; beside the new one the same contact may be stored twice for the time of the upgrade.

create table drip_core.address_locks (
  organization_id bigint not null constraint an_address_lock_belongs_to_an_organization references drip_core.organizations (id),
  address_hash bytea not null,
  constraint address_locks_pkey primary key (organization_id, address_hash)
);
comment on table drip_core.address_locks is
'Addresses of contacts without an external id that are being stored at this moment: a row is written and taken away again in one transaction, so that another one waits for it; nobody ever sees one.';
comment on column drip_core.address_locks.address_hash is 'Keyed hash of the address, as in contacts.email_hash or phone_hash.';
