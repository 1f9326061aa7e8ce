-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_hash_address.sql
-- What the channel of a message in flight said of the address it goes to, when it was asked: {reachable, provider_address,
-- alias}. Null: it was not asked yet, or about another address, or its refusal is 90 days old: ask, and say so by
-- drip.record_recipient_check.
-- Locks: none. Errors: PT403, PT404 (organization). Harmless to repeat.
create or replace function drip.recipient_check(organization_id bigint, enrollment_id bigint, claim_token bigint)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := recipient_check.organization_id;
begin
  perform drip_core._require_served_organization(v_org, 'recipient_check');
  return (
    select jsonb_strip_nulls(jsonb_build_object('reachable', k.is_reachable, 'provider_address', k.provider_address, 'alias', k.alias))
    from drip_core.enrollments as e
    join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
    join drip_core.address_checks as k on k.organization_id = v_org and k.contact_id = e.contact_id and k.channel = s.channel
    where e.organization_id = v_org and e.id = recipient_check.enrollment_id and e.claim_token = recipient_check.claim_token
      and k.address_hash = drip_core._hash_address(s.channel, e.merge_values ->> 'to')
      and (k.is_reachable or k.checked_at > drip_core.now() - interval '2160 hours')
  );
end;
$$;

revoke all on function drip.recipient_check(bigint, bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.recipient_check(bigint, bigint, bigint) to drip_runner;
comment on function drip.recipient_check(bigint, bigint, bigint) is
'What the channel said of the address of a message in flight: {reachable, provider_address, alias}; null: it was not asked yet. Errors: PT403, PT404.';
