-- owner: drip_engine
-- Who wrote a message that came in under an id by which a channel hides the number: the number, where a message that we sent
-- has taught us; else the id as it is.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._known_writer(organization_id bigint, channel drip.channel, from_address text)
returns text
language sql
stable
begin atomic
  select coalesce(
    (
      select c.phone
      from drip_core.address_checks as k
      inner join drip_core.contacts as c on k.organization_id = c.organization_id and k.contact_id = c.id
      where k.organization_id = _known_writer.organization_id and k.alias = btrim(_known_writer.from_address)
        and k.channel = _known_writer.channel and k.address_hash = c.phone_hash
      order by k.checked_at desc
      limit 1
    ),
    _known_writer.from_address
  );
end;

revoke all on function drip_core._known_writer(bigint, drip.channel, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._known_writer(bigint, drip.channel, text) is 'The number behind an id by which a channel hides it, where it is known; else the id.';
