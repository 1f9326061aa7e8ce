-- owner: drip_engine
-- requires: functions/internal/_hash_address.sql
-- Remembers, as keyed hashes, other names by which an address is known on its channel: ids, and numbers as the provider writes
-- them. A name that is a contact's own address is that contact's and no alias.
-- Locks: none that last. Errors: none. A repeat changes nothing.
create or replace function drip_core._note_aliases(organization_id bigint, channel drip.channel, address_hash bytea, names text[])
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into drip_core.address_aliases (organization_id, channel, alias_hash, address_hash, created_at)
  select _note_aliases.organization_id, _note_aliases.channel, x.hash, _note_aliases.address_hash, drip_core.now()
  from (
    select distinct drip_core._hash_address(_note_aliases.channel, n.name) as hash
    from unnest(_note_aliases.names) as n (name)
    where btrim(n.name) <> ''
  ) as x
  where x.hash <> _note_aliases.address_hash
    and not exists (
      select from drip_core.contacts as c where c.organization_id = _note_aliases.organization_id and c.phone_hash = x.hash
    )
  order by x.hash
  on conflict on constraint address_aliases_pkey do nothing;
$$;

revoke all on function drip_core._note_aliases(bigint, drip.channel, bytea, text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._note_aliases(bigint, drip.channel, bytea, text[]) is 'Remembers other names by which an address is known on its channel, as keyed hashes.';
