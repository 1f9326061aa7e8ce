-- owner: drip_engine
-- Lets an organization use a secret of the runner (the name of an environment variable, or file:/path) in its channel accounts,
-- and so send it to any server it likes: assign what is the organization's own. Callers that speak for one organization only (a JWT, a bound login) are held
-- to what is assigned; the operator, and services trusted with all organizations, are not.
-- Locks: none. Errors: PT404, PT422. A repeat changes nothing.
create or replace function drip.assign_secret(organization_id bigint, secret_ref text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := assign_secret.organization_id;
  v_name constant text := regexp_replace(assign_secret.secret_ref, '^env:', '');
begin
  if not exists (select from drip_core.organizations as o where o.id = v_org) then
    raise exception 'organization not found'
      using errcode = 'PT404', detail = format('organization_id: %s', coalesce(v_org::text, 'null')),
        hint = 'Name an organization that drip.create_organization made.';
  end if;
  if v_name is null or v_name !~ '^[A-Za-z_][A-Za-z0-9_]{0,127}$|^file:.+$' or length(v_name) > 500 then
    raise exception 'the name of a secret is needed'
      using errcode = 'PT422', detail = 'secret_ref: NAME, env:NAME (an environment variable of the runner) or file:/path',
        hint = 'Put the secret into the environment of the runner, or into a file it reads, and pass its name.';
  end if;
  insert into drip_core.assigned_secrets (organization_id, secret_ref)
  values (v_org, v_name)
  on conflict on constraint assigned_secrets_pkey do nothing;
  if found then
    insert into drip_core.audit_entries (organization_id, function_name, arguments)
    values (v_org, 'assign_secret', jsonb_build_object('secret_ref', v_name));
  end if;
end;
$$;

revoke all on function drip.assign_secret(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.assign_secret(bigint, text) to drip_owner;
comment on function drip.assign_secret(bigint, text) is
'Lets an organization use a secret of the runner in its channel accounts, by name. Operator only. Errors: PT404, PT422.';
