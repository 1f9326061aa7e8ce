-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_store_provider_event.sql, functions/internal/_audit_person.sql
-- Records what a provider reports of a message it took, and reacts to it; see _react_to_provider_event. The report always
-- lands, in any order and any number of copies: the same report twice (by external_id, else by all that it says) is one.
-- Keys: message_token or provider_message_id, type (sent, delivered, opened, clicked, bounced, complained, unsubscribed, failed,
-- deferred; read counts as opened), occurred_at, reason, external_id, detail{} (status: an enhanced status code; class: hard,
-- soft, policy, content, sender; recipient; user_agent, is_machine, url).
-- Answers recorded, duplicate, parked (its message is not settled yet; drip.tick looks again for three days), ignored (of
-- no consequence), unknown (names no message; drip_report.unmatched_facts) or pending (the reaction failed; tried again).
-- What a person or a bound login reports is in the audit trail; what services bring is not.
-- Locks: as _react_to_provider_event. Errors: PT403, PT404, PT422.
create or replace function drip.record_provider_event(organization_id bigint, event jsonb)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := record_provider_event.organization_id;
  v_stored record;
begin
  perform drip_core._require_served_organization(v_org, 'record_provider_event');
  v_stored := drip_core._store_provider_event(v_org, record_provider_event.event);
  perform drip_core._audit_person(v_org, 'record_provider_event', jsonb_build_object(
    'provider_event_id', v_stored.provider_event_id, 'outcome', v_stored.outcome));
  return v_stored.outcome;
end;
$$;

revoke all on function drip.record_provider_event(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_provider_event(bigint, jsonb) to drip_app, drip_runner;
comment on function drip.record_provider_event(bigint, jsonb) is
'Records what a provider reports of a message (delivered, bounced, complained, opened …) and reacts to it, in any order and any number of copies; returns recorded, duplicate, parked, ignored, unknown or pending. Errors: PT403, PT404, PT422.';
