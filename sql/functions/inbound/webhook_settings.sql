-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql
-- What is needed to check that a webhook is a sender's: its provider, what its config says of webhooks (public_key,
-- topic_arn, the names of secrets: not secrets), the numbers that it may speak for, of a gateway its own number and session.
-- Null where there is no such sender, or it says nothing.
-- Locks: none. Errors: PT403, PT404 (organization). Harmless to repeat.
create or replace function drip.webhook_settings(organization_id bigint, account_key text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._require_served_organization(webhook_settings.organization_id, 'webhook_settings');
  return (
    select (a.config -> 'webhook') || jsonb_strip_nulls(jsonb_build_object('provider', a.provider, 'numbers', (
      -- one webhook may speak for several numbers, all of this organization
      select jsonb_agg(n.config ->> 'phone_number_id' order by n.id)
      from drip_core.channel_accounts as n
      where n.organization_id = a.organization_id and n.provider = a.provider and n.config ->> 'phone_number_id' is not null
    ), 'businesses', (
      select jsonb_agg(distinct n.config ->> 'waba_id')
      from drip_core.channel_accounts as n
      where n.organization_id = a.organization_id and n.provider = a.provider and n.config ->> 'waba_id' is not null
    ),
    'address', case when a.channel = 'whatsapp_lite' then a.address end,
    'session', coalesce(a.config ->> 'session', a.config ->> 'instance')))
    from drip_core.channel_accounts as a
    where a.organization_id = webhook_settings.organization_id and a.key = webhook_settings.account_key
      and jsonb_typeof(a.config -> 'webhook') = 'object'
  );
end;
$$;

revoke all on function drip.webhook_settings(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.webhook_settings(bigint, text) to drip_runner;
comment on function drip.webhook_settings(bigint, text) is
'Provider and webhook settings of a sender (config.webhook), by which pgdrip serve checks who calls; null: none. Errors: PT403, PT404.';
