-- Locks who a fact is about, in the order of locks: the contacts named and all that have one of the addresses, then their
-- open enrollments and the one named. Returns the contacts.
-- Locks: contacts in id order, enrollments in id order. Errors: none. Harmless to repeat.
create or replace function drip_core._lock_person(
  organization_id bigint, channel drip.channel, contact_ids bigint[], address_hashes bytea[], enrollment_id bigint
)
returns bigint[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _lock_person.organization_id;
  v_contacts bigint[];
begin
  v_contacts := array(
    select c.id
    from drip_core.contacts as c
    where c.organization_id = v_org and c.id = any (array(
      select n.id from unnest(_lock_person.contact_ids) as n (id)
      union all
      select k.id
      from drip_core.contacts as k
      where _lock_person.channel = 'email' and k.organization_id = v_org and k.email_hash = any (_lock_person.address_hashes)
      union all
      select k.id
      from drip_core.contacts as k
      where _lock_person.channel <> 'email' and k.organization_id = v_org and k.phone_hash = any (_lock_person.address_hashes)
    ))
    order by c.id
    for no key update
  );
  perform
  from drip_core.enrollments as e
  where e.organization_id = v_org and e.id = any (array(
    select n.id
    from drip_core.enrollments as n
    where n.organization_id = v_org and n.contact_id = any (v_contacts) and n.status in ('active', 'paused')
    union all
    select _lock_person.enrollment_id
  ))
  order by e.id
  for no key update;
  return v_contacts;
end;
$$;

revoke all on function drip_core._lock_person(bigint, drip.channel, bigint[], bytea[], bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._lock_person(bigint, drip.channel, bigint[], bytea[], bigint) is
'Locks the contacts that a fact is about and their open enrollments, in the order of locks; returns the contacts.';
