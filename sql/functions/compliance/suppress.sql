-- requires: functions/internal/_authorize.sql, functions/internal/_suppress_address.sql
-- Puts an address on the suppression list of a channel, whether a contact has it or not: open enrollments of whoever has
-- it end at once, and nobody who has it can be enrolled. Only drip.reconsent with evidence lifts it.
-- Locks: the contacts with that address, their open enrollments, then the suppression. Errors: PT403, PT404, PT422.
-- A repeat changes nothing.
create or replace function drip.suppress(
  organization_id bigint, channel text, address text, reason text default 'manual', evidence jsonb default '{}'
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._authorize(suppress.organization_id, 'suppress', jsonb_build_object('channel', suppress.channel, 'reason', suppress.reason));
  return drip_core._suppress_address(
    suppress.organization_id, suppress.channel, suppress.address, suppress.reason, coalesce(suppress.evidence, '{}'),
    coalesce(left(suppress.evidence ->> 'source', 100), 'api'));
end;
$$;

revoke all on function drip.suppress(bigint, text, text, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.suppress(bigint, text, text, text, jsonb) to drip_app;
comment on function drip.suppress(bigint, text, text, text, jsonb) is
'Puts an address on the suppression list of a channel; reason: manual, unsubscribed, opted_out, complained, bounced, invalid_address, suppressed, rejected_policy, erased. evidence.sequence_key narrows it to one sequence. Returns suppressed or already_suppressed. Errors: PT403, PT404, PT422.';
