-- requires: functions/authoring/upsert_contact.sql
-- Creates or changes many contacts. A bad one is answered with outcome 'invalid' and its problem; the others land.
-- Contacts are stored in the order given. Locks: as upsert_contact for each. Errors: PT404, PT422 (no array, over 10,000).
-- A repeat changes nothing.
create or replace function drip.upsert_contacts(organization_id bigint, contacts jsonb)
returns table (ordinal int, contact_id bigint, outcome text, detail text)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_item record;
  v_stored record;
begin
  perform drip_core._require_organization(upsert_contacts.organization_id);
  if upsert_contacts.contacts is null or jsonb_typeof(upsert_contacts.contacts) <> 'array' or jsonb_array_length(upsert_contacts.contacts) > 10000 then
    raise exception 'invalid contacts'
      using errcode = 'PT422', detail = 'contacts: a JSON array of at most 10,000 contacts is needed', hint = 'Call it in batches.';
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
      select s.contact_id, s.outcome
      into v_stored
      from drip_core._store_contact(upsert_contacts.organization_id, v_item.value, 'import') as s;
      contact_id := v_stored.contact_id;
      outcome := v_stored.outcome;
    end if;
    return next;
  end loop;
end;
$$;

revoke all on function drip.upsert_contacts(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.upsert_contacts(bigint, jsonb) to drip_app;
comment on function drip.upsert_contacts(bigint, jsonb) is
'Creates or changes many contacts; one row each: ordinal (from 1), contact_id, outcome (created, updated, invalid), detail. Errors: PT404, PT422.';
