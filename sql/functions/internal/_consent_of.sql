-- What a contact last said of a channel with effect; null for nothing.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._consent_of(organization_id bigint, contact_id bigint, channel drip.channel)
returns drip.consent_state
language sql
stable
parallel safe
begin atomic
  select l.state
  from drip_core.consent_ledger as l
  where l.organization_id = _consent_of.organization_id
    and l.contact_id = _consent_of.contact_id
    and l.channel = _consent_of.channel
    and l.is_effective
  order by l.id desc
  limit 1;
end;

revoke all on function drip_core._consent_of(bigint, bigint, drip.channel) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._consent_of(bigint, bigint, drip.channel) is 'The state of consent of a contact for a channel; null where nothing was said.';
