-- Puts the address that a contact has for a channel on the suppression list; nothing where it has none or is listed.
-- Locks: none. Errors: none. A repeat changes nothing.
create or replace function drip_core._suppress_contact(
  organization_id bigint, contact_id bigint, channel drip.channel, reason drip.reason, evidence jsonb
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
begin
  insert into drip_core.suppressions (organization_id, channel, address_hash, reason, evidence, created_at)
  select
    c.organization_id,
    _suppress_contact.channel,
    case _suppress_contact.channel when 'email' then c.email_hash else c.phone_hash end,
    _suppress_contact.reason,
    _suppress_contact.evidence,
    v_now
  from drip_core.contacts as c
  where c.organization_id = _suppress_contact.organization_id
    and c.id = _suppress_contact.contact_id
    and case _suppress_contact.channel when 'email' then c.email_hash else c.phone_hash end is not null
  on conflict do nothing;
end;
$$;

revoke all on function drip_core._suppress_contact(bigint, bigint, drip.channel, drip.reason, jsonb)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._suppress_contact(bigint, bigint, drip.channel, drip.reason, jsonb) is
'Puts a contact''s address of a channel on the suppression list.';
