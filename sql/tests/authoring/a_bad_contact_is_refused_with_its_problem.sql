begin;
select plan(27);
select drip_test.organization('A');
create temporary table bad (contact jsonb, problem text, rule text) on commit drop;
insert into bad values
('[]', 'a contact is a JSON object', 'no object'),
('{"first_name": "Ann"}', 'nothing identifies the contact', 'no identity'),
('{"external_id": "  "}', 'nothing identifies the contact', 'blank identity'),
('{"external_id": " ", "email": "a@example.net"}', 'external_id: is blank', 'blank external_id beside an address'),
('{"external_id": 7}', 'external_id: a text is needed', 'a number for a text'),
('{"email": "ann"}', 'email: "ann" is not an email address', 'no at sign'),
('{"email": "ann@localhost"}', 'email: ', 'no domain'),
('{"email": "ann@example..net"}', 'email: ', 'two dots'),
('{"email": "a b@example.net"}', 'email: ', 'a blank inside'),
('{"email": "a@example.net, b@example.net"}', 'email: ', 'two addresses'),
('{"email": "Ann <a@example.net>"}', 'email: ', 'an address with a name'),
('{"phone": "030 123456"}', 'phone: "030 123456" is not an international number', 'X4: a national number'),
('{"phone": "+49"}', 'phone: ', 'a short number'),
('{"phone": "+49 30 12345678901234"}', 'phone: ', 'a long number'),
('{"email": "a@example.net", "timezone": "UTC+3"}', 'timezone: "UTC\+3" is not a zone name', 'X4: an offset is no zone'),
('{"email": "a@example.net", "timezone": "Europe/Berlln"}', 'timezone: ', 'X4: nor is a misspelt one'),
('{"email": "a@example.net", "timezone": "CET"}', 'timezone: ', 'X4: nor is an abbreviation'),
('{"email": "a@example.net", "tags": "lead"}', 'tags: a list of texts', 'one tag for a list'),
('{"email": "a@example.net", "tags": [1]}', 'tags: a list of texts', 'a number for a tag'),
('{"email": "a@example.net", "tags": [" "]}', 'tags: a list of texts', 'a blank tag'),
('{"email": "a@example.net", "attributes": []}', 'attributes: an object', 'a list of attributes'),
('{"email": "a@example.net", "consent": {"email": "yes"}}', 'consent.email: ', 'an unknown statement'),
('{"email": "a@example.net", "consent": {"fax": "opted_in"}}', 'consent.fax: ', 'an unknown channel'),
('{"email": "a@example.net", "consent": {"email": null}}', 'consent.email: ', 'no statement'),
('{"email": "a@example.net", "frist_name": "Ann"}', 'frist_name: "frist_name" is not a known key; did you mean "first_name"\?', 'a misspelt key');
select
  matches(
    drip_test.error_of(format('select drip.upsert_contact(drip_test.org(), %L)', b.contact)), '^PT422 \| invalid contact \| ' || b.problem,
    'PT422: ' || b.rule
  )
from bad as b;
select is((select count(*) from drip.list_contacts(drip_test.org())), 0::bigint, 'nothing of them is stored');
select is(
  drip_test.error_of($$ select drip.upsert_contact(drip_test.org(), '{"external_id": null, "email": " ", "phone": "+4930123456"}') $$), 'no error',
  'X4: a blank address beside a number is no problem'
);
select * from finish();
rollback;
