-- owner: drip_engine
-- requires: functions/internal/_ensure_secret_keys.sql
-- Makes a new link-signing key, which every message claimed from now on has its tokens from; returns its id. The former keys stay:
-- links, Message-IDs and reports of what was sent work for ever. For the operator (members of drip_owner, superusers): it is
-- granted to no API role; the audit trail of every organization has it. The address key has no such function: what is suppressed is known by its hash alone.
-- Locks: the key in use. Errors: 23514 after 254 keys (a token has one byte for it). Each call makes a key; of two at once the second finds the first's.
create or replace function drip.rotate_link_key()
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_id int;
begin
  update drip_core.secret_keys as k
  set is_current = false
  where k.purpose = 'link' and k.is_current;
  perform drip_core._ensure_secret_keys();
  select k.id into v_id from drip_core.secret_keys as k where k.purpose = 'link' and k.is_current;
  insert into drip_core.audit_entries (organization_id, function_name, arguments)
  select
    o.id,
    'rotate_link_key' as function_name,
    jsonb_build_object('key_id', v_id) as arguments
  from drip_core.organizations as o;
  return v_id;
end;
$$;

revoke all on function drip.rotate_link_key() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.rotate_link_key() to drip_owner;
comment on function drip.rotate_link_key() is
'Makes a new link-signing key for the messages claimed from now on; returns its id. Links made with former keys work for ever. Operator only. Errors: 23514 (no ids left).';
