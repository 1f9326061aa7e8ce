-- requires: functions/internal/_require_permission.sql
-- The senders of the organization, by key, as a form would show them; the secret itself is not in the database.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.list_channel_accounts(organization_id bigint)
returns table (
  channel_account_id bigint, key text, channel text, provider text, address text, display_name text, config jsonb,
  secret_ref text, daily_limit int, ramp_start int, ramp_increment int, min_gap interval, max_gap interval, timezone text,
  on_unknown text, status text, reason text, detail text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._require_permission(list_channel_accounts.organization_id, 'list_channel_accounts');
  return query
  select
    a.id, a.key, a.channel::text, a.provider, a.address, a.display_name, a.config, a.secret_ref, a.daily_limit, a.ramp_start,
    a.ramp_increment, a.min_gap, a.max_gap, a.timezone, a.on_unknown::text, l.status::text, l.reason::text, l.detail
  from drip_core.channel_accounts as a
  join drip_core.lanes as l on l.organization_id = a.organization_id and l.channel_account_id = a.id
  where a.organization_id = list_channel_accounts.organization_id
  order by a.key;
end;
$$;

revoke all on function drip.list_channel_accounts(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.list_channel_accounts(bigint) to drip_app;
comment on function drip.list_channel_accounts(bigint) is 'The senders of an organization with their settings and lane status. Errors: PT403, PT404.';
