begin;
select plan(5);
select drip_test.organization('A');
select drip_test.contact(drip_test.org(), 'old');
select results_eq(
  $$
    select u.ordinal, u.contact_id is not null, u.outcome, u.detail
    from drip.upsert_contacts(drip_test.org(), '[
      {"external_id": "a", "email": "a@example.net"},
      {"external_id": "b", "timezone": "UTC+3"},
      "no contact",
      {"external_id": "old", "first_name": "New"},
      {"email": "A@example.net", "first_name": "Twice"}
    ]') as u
  $$,
  $$
    values
      (1, true, 'created', null),
      (2, false, 'invalid', 'timezone: "UTC+3" is not a zone name; use Area/City such as Europe/Berlin'),
      (3, false, 'invalid', 'a contact is a JSON object'),
      (4, true, 'updated', null),
      (5, true, 'updated', null)
  $$,
  'X4: each contact has its own answer, in order'
);
select results_eq(
  $$ select external_id, first_name from drip.list_contacts(drip_test.org()) order by external_id $$,
  $$ values ('a', 'Twice'), ('old', 'New') $$,
  'X4: the good ones are stored, one person once'
);
select is((select count(*) from drip.upsert_contacts(drip_test.org(), '[]')), 0::bigint, 'an empty batch is no error');
select matches(
  drip_test.error_of('select * from drip.upsert_contacts(drip_test.org(), ''{}'')'), '^PT422 \| invalid contacts', 'PT422: a batch is a list'
);
select matches(
  drip_test.error_of('select * from drip.upsert_contacts(drip_test.org(), (select jsonb_agg(i) from generate_series(1, 10001) as i))'),
  '^PT422 \| invalid contacts', 'PT422: of at most 10,000 contacts'
);
select * from finish();
rollback;
