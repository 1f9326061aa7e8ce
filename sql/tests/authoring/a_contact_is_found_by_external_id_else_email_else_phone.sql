begin;
select plan(11);
select drip_test.organization('A');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select drip_test.keep('ann', drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "email": "Ann@Example.net", "phone": "+49 30 123456"}'));
select is(
  drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "email": "other@example.net"}'), drip_test.kept('ann'),
  'found by external_id, whatever the address'
);
select is(
  drip.upsert_contact(drip_test.org(), '{"email": " OTHER@example.NET"}'), drip_test.kept('ann'), 'found by email, whatever its case'
);
select is(drip.upsert_contact(drip_test.org(), '{"phone": "0049-30-123456"}'), drip_test.kept('ann'), 'found by phone, however written');
select isnt(drip.upsert_contact(drip_test.org(), '{"email": "ann@example.net"}'), drip_test.kept('ann'), 'an address nobody has any more makes a contact');
select isnt(
  drip.upsert_contact(drip_test.org(), '{"external_id": "other", "email": "other@example.net"}'), drip_test.kept('ann'),
  'two external_ids are two contacts, also with one address'
);
select is((select count(*) from drip.list_contacts(drip_test.org())), 3::bigint, 'three contacts in all');
select is(
  drip.upsert_contact(drip_test.org(), '{"email": "other@example.net", "first_name": "First"}'), drip_test.kept('ann'),
  'of two with one address the older is found'
);
select is(
  (select email from drip.list_contacts(drip_test.org(), search => 'first')), 'other@example.net', 'the address is kept as it was written, trimmed'
);
reset role;
select is(
  (
    select c.email_hash from drip_core.contacts as c
    where c.organization_id = drip_test.org() and c.external_id = 'other'
  ),
  drip_core._hash_address('email', 'OTHER@EXAMPLE.NET'), 'H4: the hash is of the normalised address'
);
select drip_test.organization('B');
select isnt(drip.upsert_contact(drip_test.org(), '{"external_id": "ann"}'), drip_test.kept('ann'), 'H2: another organization has contacts of its own');
select * from finish();
rollback;
