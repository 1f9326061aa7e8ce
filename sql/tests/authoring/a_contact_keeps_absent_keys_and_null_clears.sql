begin;
select plan(8);
select drip_test.organization('A');
create function pg_temp.contact()
returns jsonb
language sql
as $$
  select jsonb_strip_nulls(to_jsonb(c)) - array['contact_id', 'consent', 'created_at', 'updated_at', 'external_id']
  from drip.list_contacts(drip_test.org()) as c;
$$;
select drip.upsert_contact(drip_test.org(), '{
  "external_id": "ann", "email": "ann@example.net", "phone": "+4930123456", "first_name": " Ann ", "last_name": "Lee", "company": "Acme",
  "timezone": "Europe/Berlin", "tags": ["lead", " lead ", "vip"], "attributes": {"plan": "pro", "seats": 3, "nothing": null}}');
select is(
  pg_temp.contact(),
  '{"email": "ann@example.net", "phone": "+4930123456", "first_name": "Ann", "last_name": "Lee", "company": "Acme",
    "timezone": "Europe/Berlin", "tags": ["lead", "vip"], "attributes": {"plan": "pro", "seats": 3}}',
  'every key lands in its place'
);
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann"}');
select is(pg_temp.contact() ->> 'company', 'Acme', 'an absent key keeps its value');
select is(pg_temp.contact() -> 'tags', '["lead", "vip"]', 'absent tags stay');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "company": null, "phone": null, "last_name": "  ", "timezone": null}');
select is(
  pg_temp.contact() - array['tags', 'attributes'], '{"email": "ann@example.net", "first_name": "Ann"}', 'null and blank clear'
);
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "tags": ["customer", "vip"]}');
select is(pg_temp.contact() -> 'tags', '["customer", "vip"]', 'tags are replaced');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "attributes": {"seats": 4, "plan": null, "city": "Rome"}}');
select is(pg_temp.contact() -> 'attributes', '{"seats": 4, "city": "Rome"}', 'attributes are merged key by key, null clears one');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "attributes": null, "tags": null}');
select is(pg_temp.contact() - array['email', 'first_name'], '{"tags": [], "attributes": {}}', 'null clears tags and attributes');
select is(
  (
    select (c.phone is null and c.phone_hash is null)::text from drip_core.contacts as c
    where c.organization_id = drip_test.org()
  ), 'true',
  'X7: with an address its hash goes'
);
select * from finish();
rollback;
