-- owner: drip_engine
-- requires: functions/internal/_authorize.sql, functions/internal/_require_contact.sql, functions/internal/_contact_data.sql
-- Everything that is held of a person, as JSON: the contact with tags, deals and what it consented to, the suppressions of
-- its addresses, its enrollments, every message as it was sent, what it wrote to us, what providers and links reported of its
-- messages, and the whole history, all as of one instant. That it was asked for is in the audit trail.
-- Locks: none. Errors: PT403, PT404. Each call is an entry of the trail, and changes nothing else.
create or replace function drip.export_contact(organization_id bigint, contact_id bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._authorize(
    export_contact.organization_id, 'export_contact', jsonb_build_object('contact_id', export_contact.contact_id));
  perform drip_core._require_contact(export_contact.organization_id, export_contact.contact_id);
  return drip_core._contact_data(export_contact.organization_id, export_contact.contact_id);
end;
$$;

revoke all on function drip.export_contact(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.export_contact(bigint, bigint) to drip_app;
comment on function drip.export_contact(bigint, bigint) is
'Everything that is held of a person, as JSON: contact, tags, deals, consent, suppressions, enrollments, messages as they were sent, unsettled_messages, address_checks, tests (shown to members), inbound_messages, provider_events, hits, events. The audit trail says who asked. Errors: PT403, PT404.';
