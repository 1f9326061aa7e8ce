-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_hash_address.sql
-- Keeps what the channel of a message in flight said of the address it goes to, so that it is asked once per contact. Keys:
-- reachable (true or false), provider_address (the name under which it wants messages), alias (another under which the
-- person may write). True where it was kept; false where the claim is no longer valid or the person was erased.
-- Locks: the contact (share: whoever erases it comes before or after), then its own row. Errors: PT403, PT404, PT422. A repeat changes nothing.
create or replace function drip.record_recipient_check(organization_id bigint, enrollment_id bigint, claim_token bigint, result jsonb)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := record_recipient_check.organization_id;
  v_new constant jsonb := jsonb_strip_nulls(record_recipient_check.result);
  v_row record;
begin
  perform drip_core._require_served_organization(v_org, 'record_recipient_check');
  if jsonb_typeof(v_new) is distinct from 'object' or jsonb_typeof(v_new -> 'reachable') is distinct from 'boolean'
    or length(v_new ->> 'provider_address') > 200 or length(v_new ->> 'alias') > 200
  then
    raise exception 'invalid recipient check'
      using errcode = 'PT422', detail = 'result: an object with reachable (true or false) is needed',
        hint = 'Keys: reachable, provider_address, alias (texts of at most 200 characters).';
  end if;
  perform
  from drip_core.enrollments as e
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  where e.organization_id = v_org and e.id = record_recipient_check.enrollment_id
  for share of c;
  select e.contact_id, e.channel_account_id, s.channel, e.merge_values ->> 'to' as address
  into v_row
  from drip_core.enrollments as e
  join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  where e.organization_id = v_org and e.id = record_recipient_check.enrollment_id and e.claim_token = record_recipient_check.claim_token
    and c.erased_at is null;
  if v_row.address is null then
    return false;
  end if;
  insert into drip_core.address_checks as k (
    organization_id, contact_id, channel, address_hash, is_reachable, provider_address, alias, channel_account_id, checked_at
  )
  values (
    v_org, v_row.contact_id, v_row.channel, drip_core._hash_address(v_row.channel, v_row.address), (v_new ->> 'reachable')::boolean,
    nullif(v_new ->> 'provider_address', ''), nullif(v_new ->> 'alias', ''), v_row.channel_account_id, drip_core.now()
  )
  on conflict on constraint address_checks_pkey do update
  set
    address_hash = excluded.address_hash,
    is_reachable = excluded.is_reachable,
    provider_address = excluded.provider_address,
    alias = excluded.alias,
    channel_account_id = excluded.channel_account_id,
    checked_at = excluded.checked_at;
  return true;
end;
$$;

revoke all on function drip.record_recipient_check(bigint, bigint, bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_recipient_check(bigint, bigint, bigint, jsonb) to drip_runner;
comment on function drip.record_recipient_check(bigint, bigint, bigint, jsonb) is
'Keeps what the channel said of the address of a message in flight {reachable, provider_address, alias}; false: the claim is no longer valid. Errors: PT403, PT404, PT422.';
