-- owner: drip_engine
-- Takes an assigned secret back: the organization can name it in no channel account any more. Accounts that name it go on; drip.apply_channel_account
-- changes them. Returns whether it was assigned.
-- Locks: none. Errors: none. A repeat answers false.
create or replace function drip.withdraw_secret(organization_id bigint, secret_ref text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_name constant text := regexp_replace(withdraw_secret.secret_ref, '^env:', '');
begin
  delete from drip_core.assigned_secrets as s
  where s.organization_id = withdraw_secret.organization_id and s.secret_ref = v_name;
  if not found then
    return false;
  end if;
  insert into drip_core.audit_entries (organization_id, function_name, arguments)
  values (withdraw_secret.organization_id, 'withdraw_secret', jsonb_build_object('secret_ref', v_name));
  return true;
end;
$$;

revoke all on function drip.withdraw_secret(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.withdraw_secret(bigint, text) to drip_owner;
comment on function drip.withdraw_secret(bigint, text) is
'Takes an assigned secret back; whether it was assigned. Accounts that name it go on. Operator only.';
