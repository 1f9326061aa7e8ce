-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_lock_addresses.sql, functions/internal/_store_contact.sql, functions/internal/_tags_added.sql
-- Creates or changes a contact: absent key keeps, null clears, tags replaces. Sequences that enroll by a tag do so in the
-- same transaction; that never fails the write.
-- Locks: the address of one without an external_id; the contact; with an opt-out its open enrollments. Errors: PT403, PT404, PT422. A repeat changes nothing.
create or replace function drip.upsert_contact(organization_id bigint, contact jsonb)
returns bigint
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
  v_problem text;
  v_stored record;
begin
  perform drip_core._require_permission(upsert_contact.organization_id, 'upsert_contact');
  v_problem := drip_core._check_contact(upsert_contact.contact);
  if v_problem is not null then
    raise exception 'invalid contact'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Keys: external_id, email, phone, first_name, last_name, company, timezone, tags[], attributes{}, consent{}.';
  end if;
  perform drip_core._lock_addresses(upsert_contact.organization_id, jsonb_build_array(upsert_contact.contact));
  select s.contact_id, s.outcome, s.added_tags
  into v_stored
  from drip_core._store_contact(upsert_contact.organization_id, upsert_contact.contact, 'upsert') as s;
  if v_stored.outcome = 'invalid' then
    raise exception 'invalid contact'
      using errcode = 'PT422', detail = 'attributes: at most 100,000 bytes, with those there are', hint = 'A null takes an attribute away.';
  end if;
  perform drip_core._tags_added(
    upsert_contact.organization_id, array_fill(v_stored.contact_id, array[coalesce(cardinality(v_stored.added_tags), 0)]), v_stored.added_tags);
  perform drip_core._audit(upsert_contact.organization_id, 'upsert_contact', jsonb_build_object('contact_id', v_stored.contact_id));
  return v_stored.contact_id;
end;
$$;

revoke all on function drip.upsert_contact(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.upsert_contact(bigint, jsonb) to drip_app;
comment on function drip.upsert_contact(bigint, jsonb) is
'Creates or changes a contact (found by external_id, else email, else phone) and returns its id; absent key keeps, null clears, tags replaces. Errors: PT403, PT404, PT422.';
