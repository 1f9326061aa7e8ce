-- requires: functions/internal/_authorize.sql, functions/internal/_apply_organization_settings.sql
-- Changes settings of the caller's organization: an absent key keeps its value, null clears it.
-- Locks: the organization's row. Errors: PT403, PT404, PT409, PT422. A repeat changes nothing.
create or replace function drip.update_organization(organization_id bigint, settings jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._authorize(update_organization.organization_id, 'update_organization', jsonb_build_object('settings', array(select k.key from jsonb_object_keys(case when jsonb_typeof(update_organization.settings) = 'object' then update_organization.settings else '{}' end) as k (key) order by k.key limit 20)));
  perform drip_core._apply_organization_settings(update_organization.organization_id, update_organization.settings);
end;
$$;

revoke all on function drip.update_organization(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.update_organization(bigint, jsonb) to drip_app;
comment on function drip.update_organization(bigint, jsonb) is
'Changes settings (postal_address, public_base_url, tracking, require_opt_in, holidays, contact_cap, default_window): absent keeps, null clears. Errors: PT403, PT404, PT409, PT422.';
