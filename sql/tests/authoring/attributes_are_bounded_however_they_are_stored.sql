begin;
select plan(9);
select drip_test.organization('A');
create function pg_temp.one(p_key text, p_length int)
returns jsonb
language sql
as $$
  select jsonb_build_object('external_id', 'a', 'attributes', jsonb_build_object(p_key, repeat('x', p_length)));
$$;
select drip_test.keep('a', drip.upsert_contact(drip_test.org(), pg_temp.one('first', 60000)));
select is(
  drip_test.error_of('select drip.upsert_contact(drip_test.org(), pg_temp.one(''second'', 60000))'),
  'PT422 | invalid contact | attributes: at most 100,000 bytes, with those there are', 'PT422: what is added counts with what is there'
);
select lives_ok('select drip.upsert_contact(drip_test.org(), pg_temp.one(''second'', 30000))', 'up to the limit');
select results_eq(
  $$
    select u.ordinal, u.contact_id is not null, u.outcome, u.detail
    from drip.upsert_contacts(drip_test.org(), jsonb_build_array(
      pg_temp.one('third', 60000) || '{"first_name": "New", "tags": ["x"]}', '{"external_id": "b"}'::jsonb, pg_temp.one('first', 50000))) as u
  $$,
  $$
    values
      (1, false, 'invalid', 'attributes: at most 100,000 bytes, with those there are'),
      (2, true, 'created', null),
      (3, true, 'updated', null)
  $$,
  'X4: in a batch it is invalid, and the others land'
);
select results_eq(
  $$ select octet_length(attributes::text) < 100000, first_name from drip_core.contacts where id = drip_test.kept('a') $$, $$ values (true, null::text) $$,
  'nothing of it is stored'
);
select is((
  select count(*) from drip_core.contact_tags as t
  where t.organization_id = drip_test.org()
), 0::bigint, 'nor its tags');
-- one that was stored before there was a limit
update drip_core.contacts as c
set attributes = jsonb_build_object('first', repeat('x', 150000), 'second', repeat('x', 50000))
where c.organization_id = drip_test.org() and c.id = drip_test.kept('a');
select lives_ok('select drip.upsert_contact(drip_test.org(), ''{"external_id": "a", "attributes": {"second": null}}'')', 'a larger one may shrink');
select lives_ok('select drip.upsert_contact(drip_test.org(), ''{"external_id": "a", "first_name": "Ann"}'')', 'and change otherwise');
select matches(
  drip_test.error_of('select drip.upsert_contact(drip_test.org(), ''{"external_id": "a", "attributes": {"third": 1}}'')'),
  '^PT422 \| invalid contact \| attributes', 'but not grow'
);
select matches(
  drip_test.error_of($$ select drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'many', 'steps', jsonb_build_array(jsonb_build_object(
    'key', 's1', 'channel', 'email', 'subject', 'x', 'text', repeat('{{contact.first_name}}', 501), 'html', repeat('{{contact.email}}', 500))))) $$),
  'steps\[0\].*1,000 merge fields', 'PT422: a step has at most 1,000 merge fields'
);
select * from finish();
rollback;
