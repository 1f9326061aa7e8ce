-- requires: functions/authoring/upsert_contact.sql, functions/internal/_tags_added.sql, functions/internal/_lock_addresses.sql
-- Creates or changes many contacts. A bad one is answered with outcome 'invalid' and its problem; the others land.
-- Sequences that enroll by a tag do so for all of them together.
-- Contacts are stored in the order given. Locks: the addresses of those without an external_id; the contacts there are in id
-- order; with opt-outs among them their open enrollments in id order; then as upsert_contact for each. Errors: PT403, PT404, PT422 (no array, over 10,000).
-- A repeat changes nothing.
create or replace function drip.upsert_contacts(organization_id bigint, contacts jsonb)
returns table (ordinal int, contact_id bigint, outcome text, detail text)
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
  v_item record;
  v_stored record;
  v_hashes bytea[];
  v_contacts bigint[];
  v_tagged bigint[] := array[]::bigint[];
  v_tags text[] := array[]::text[];
begin
  perform drip_core._require_permission(upsert_contacts.organization_id, 'upsert_contacts');
  if upsert_contacts.contacts is null or jsonb_typeof(upsert_contacts.contacts) <> 'array' or jsonb_array_length(upsert_contacts.contacts) > 10000 then
    raise exception 'invalid contacts'
      using errcode = 'PT422', detail = 'contacts: a JSON array of at most 10,000 contacts is needed', hint = 'Call it in batches.';
  end if;
  v_hashes := drip_core._lock_addresses(upsert_contacts.organization_id, upsert_contacts.contacts);
  -- what the batch will change is locked in key order: rivals (another import, a settlement) do so too
  v_contacts := array(
    select c.id
    from drip_core.contacts as c
    where c.organization_id = upsert_contacts.organization_id and c.id = any (array(
      select x.id
      from drip_core.contacts as x
      where x.organization_id = upsert_contacts.organization_id and x.external_id = any (array(
        select btrim(i.value ->> 'external_id') from jsonb_array_elements(upsert_contacts.contacts) as i))
      union all
      select x.id
      from drip_core.contacts as x
      where x.organization_id = upsert_contacts.organization_id and x.email_hash = any (v_hashes)
      union all
      select x.id
      from drip_core.contacts as x
      where x.organization_id = upsert_contacts.organization_id and x.phone_hash = any (v_hashes)
    ))
    order by c.id
    for no key update
  );
  if upsert_contacts.contacts @? '$[*].consent.* ? (@ == "opted_out")' then
    perform
    from drip_core.enrollments as e
    where e.organization_id = upsert_contacts.organization_id and e.contact_id = any (v_contacts) and e.status in ('active', 'paused')
    order by e.id
    for no key update;
  end if;

  for v_item in
    select c.value, c.position::int as position
    from jsonb_array_elements(upsert_contacts.contacts) with ordinality as c (value, position)
    order by c.position
  loop
    ordinal := v_item.position;
    contact_id := null;
    detail := drip_core._check_contact(v_item.value);
    if detail is not null then
      outcome := 'invalid';
    else
      select s.contact_id, s.outcome, s.added_tags
      into v_stored
      from drip_core._store_contact(upsert_contacts.organization_id, v_item.value, 'import') as s;
      contact_id := v_stored.contact_id;
      outcome := v_stored.outcome;
      if outcome = 'invalid' then
        detail := 'attributes: at most 100,000 bytes, with those there are';
      end if;
      if v_stored.added_tags is not null then
        v_tagged := v_tagged || array_fill(contact_id, array[cardinality(v_stored.added_tags)]);
        v_tags := v_tags || v_stored.added_tags;
      end if;
    end if;
    return next;
  end loop;
  perform drip_core._tags_added(upsert_contacts.organization_id, v_tagged, v_tags);
  perform drip_core._audit(
    upsert_contacts.organization_id, 'upsert_contacts', jsonb_build_object('count', jsonb_array_length(upsert_contacts.contacts)));
end;
$$;

revoke all on function drip.upsert_contacts(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.upsert_contacts(bigint, jsonb) to drip_app;
comment on function drip.upsert_contacts(bigint, jsonb) is
'Creates or changes many contacts; one row each: ordinal (from 1), contact_id, outcome (created, updated, invalid), detail. Errors: PT403, PT404, PT422.';
