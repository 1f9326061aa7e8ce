-- Of each argument that is JSON: a wrong type, a key that is not known, something too large. Nothing of it is stored.
begin;
select plan(40);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select alike(drip_test.error_of('select * from ' || c.call), 'PT422 | ' || c.expected, 'M9: ' || c.expected)
from (
  values
  (
    'drip.apply_sequence(drip_test.org(), drip_test.email_definition(''x'', 3, ''{"steps": [{"key": "a", "channel": "email", "delay": "two dayz"}]}''))',
    'invalid sequence definition | steps[0].delay: "two dayz" is not a delay%'
  ),
  (
    'drip.apply_sequence(drip_test.org(), drip_test.email_definition(''x'', 1, ''{"exit_on": true}''))',
    'invalid sequence definition | exit_on: an object is needed%'
  ),
  (
    'drip.apply_sequence(drip_test.org(), drip_test.email_definition(''x'', 1, ''{"retry": {"backoff": [null]}}''))',
    'invalid sequence definition | retry.backoff[0]: %'
  ),
  (
    'drip.apply_sequence(drip_test.org(), drip_test.email_definition(''x'', 1, ''{"stepz": []}''))',
    'invalid sequence definition | stepz: "stepz" is not a known key; did you mean "steps"?'
  ),
  ('drip.update_organization(drip_test.org(), ''{"postal_address": ["x"]}'')', 'invalid settings | settings.postal_address: a text is needed'),
  (
    'drip.update_organization(drip_test.org(), jsonb_build_object(''postal_address'', repeat(''x'', 1001)))',
    'invalid settings | settings.postal_address: at most 1000 characters'
  ),
  (
    'drip.update_organization(drip_test.org(), ''{"traking": true}'')',
    'invalid settings | settings.traking: "traking" is not a known key; did you mean "tracking"?'
  ),
  ('drip.update_organization(drip_test.org(), null)', 'invalid settings | settings: a JSON object is needed'),
  ('drip.upsert_contact(drip_test.org(), ''{"external_id": "x", "tags": "lead"}'')', 'invalid contact | tags: a list%'),
  (
    'drip.upsert_contact(drip_test.org(), ''{"external_id": "x", "frist_name": "A"}'')',
    'invalid contact | frist_name: "frist_name" is not a known key; did you mean "first_name"?'
  ),
  (
    'drip.upsert_contact(drip_test.org(), jsonb_build_object(''external_id'', ''x'', ''attributes'', jsonb_build_object(''a'', repeat(''x'', 100001))))',
    'invalid contact | a contact has at most 100,000 bytes'
  ),
  (
    'drip.upsert_contact(drip_test.org(), jsonb_build_object(''external_id'', ''x'', ''tags'', array_fill(''t''::text, array[1001])))',
    'invalid contact | tags: at most 1,000'
  ),
  ('drip.upsert_contacts(drip_test.org(), ''{}'')', 'invalid contacts | contacts: a JSON array%'),
  ('drip.upsert_deal(drip_test.org(), ''{"external_id": {"a": 1}, "contact_external_id": "ann"}'')', 'invalid deal | deal.external_id: a text is needed'),
  ('drip.upsert_deal(drip_test.org(), ''{"contact_external_id": "ann", "stage": ["won"]}'')', 'invalid deal | deal.stage: a text is needed'),
  (
    'drip.upsert_deal(drip_test.org(), jsonb_build_object(''contact_external_id'', ''ann'', ''name'', repeat(''x'', 501)))',
    'invalid deal | deal.name: at most 500 characters'
  ),
  (
    'drip.upsert_deal(drip_test.org(), ''{"contact_external_id": "ann", "amuont": 1}'')',
    'invalid deal | deal.amuont: "amuont" is not a known key; did you mean "amount"?'
  ),
  ('drip_test.mailbox(drip_test.org(), ''b2'', ''{"display_name": {}}'')', 'invalid channel account | account.display_name: a text is needed'),
  (
    'drip_test.mailbox(drip_test.org(), ''b2'', ''{"max_gap": "soon", "min_gap": "1 minute"}'')',
    'invalid channel account | account.max_gap: a duration such as "1 minute" is needed'
  ),
  (
    'drip_test.mailbox(drip_test.org(), ''b2'', jsonb_build_object(''config'', jsonb_build_object(''a'', repeat(''x'', 20001))))',
    'invalid channel account | account.config: at most 20,000 bytes'
  ),
  ('drip_test.mailbox(drip_test.org(), ''b2'', ''{"adress": "x"}'')', 'invalid account | account.adress: "adress" is not a known key; did you mean "address"?'),
  ('drip.apply_whatsapp_template(drip_test.org(), ''{"name": "A b"}'')', 'invalid template | template.name: "A b" is not a name of a-z, 0-9 and _'),
  ('drip.apply_whatsapp_template(drip_test.org(), ''{"name": "a", "components": [1]}'')', 'invalid template | template.components[0]: an object%'),
  ('drip.apply_whatsapp_template(drip_test.org(), ''{"name": "a", "category": {}}'')', 'invalid template | template.category: a text is needed'),
  (
    'drip.reconsent(drip_test.org(), drip_test.kept(''ann''), ''email'', ''{"source": ["x"]}'')',
    'a re-consent needs evidence | evidence.source: a text is needed'
  ),
  ('drip.suppress(drip_test.org(), ''email'', ''a@example.com'', ''manual'', ''{"ip": "somewhere"}'')', 'invalid suppression | evidence.ip: %'),
  ('drip.hand_over(''[{"organization_id": 1, "enrollment_id": "x", "claim_token": 1}]'')', 'invalid claims | claims[0].enrollment_id: a number is needed'),
  ('drip.release(''{}'')', 'invalid claims | claims: a JSON array is needed'),
  ('drip.advance(''[{"organization_id": 1, "enrollment_id": 1, "outcome": "sent"}]'')', 'invalid results | results[0].claim_token: a number is needed'),
  (
    'drip.advance(''[{"organization_id": 1, "enrollment_id": 1, "claim_token": 1, "outcome": "snet"}]'')',
    'invalid results | results[0].outcome: one of sent, %'
  ),
  ('drip.enroll(drip_test.org(), ''x'', 1, source => repeat(''x'', 201))', 'invalid source | source: at most 200 characters'),
  ('drip.list_contacts(drip_test.org(), repeat(''x'', 201))', 'invalid search | search: at most 200 characters'),
  ('drip.create_organization(repeat(''x'', 201))', 'an organization needs a name | name: at most 200 characters'),
  ('drip.simulate(drip_test.org(), ''x'', array_fill(1::bigint, array[100001]))', 'invalid contact_ids | 100001 contacts')
) as c (call, expected);
select results_eq(
  $$ select s.outcome, s.detail from drip.suppress_many(drip_test.org(), '[{"address": "a@example.net", "raeson": "manual"}]') as s $$,
  $$ values ('invalid', 'suppressions[0].raeson: "raeson" is not a known key; did you mean "reason"?') $$,
  'M9: of a list, by its place'
);
-- however many problems there are, and however long what is wrong
select
  ok(
    length(drip_test.error_of('select * from ' || c.call)) < 9000 and drip_test.error_of('select * from ' || c.call) ~ c.expected,
    'M9: in bounds: ' || c.expected
  )
from (
  values
  (
    $$drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'x', 'steps', (select jsonb_agg('{"stepz": 1}'::jsonb) from generate_series(1, 200))))$$,
    'steps\[0\]\.key: .*and [0-9]+ more$'
  ),
  (
    $$drip.update_organization(drip_test.org(), jsonb_build_object('holidays', (select jsonb_agg('x'::text) from generate_series(1, 1000))))$$,
    'settings\.holidays\[0\]: .*and [0-9]+ more$'
  ),
  (
    $$drip.update_organization(drip_test.org(), (select jsonb_object_agg('key' || n, n) from generate_series(1, 1000) as n))$$,
    'settings\.key1: .*and [0-9]+ more$'
  ),
  ($$drip.upsert_contact(drip_test.org(), jsonb_build_object(repeat('x', 50000), 1))$$, '"x{60}" is not a known key')
) as c (call, expected);
select is(
  (
    select concat_ws(
      ' ', (
        select count(*) from drip_core.sequences as s
        where s.organization_id = drip_test.org()
      ),
      (
        select count(*) from drip_core.channel_accounts as a
        where a.organization_id = drip_test.org()
      ),
      (
        select count(*) from drip_core.contacts as c
        where c.organization_id = drip_test.org()
      ),
      (
        select count(*) from drip_core.deals as d
        where d.organization_id = drip_test.org()
      ),
      (
        select count(*) from drip_core.suppressions as p
        where p.organization_id = drip_test.org()
      ),
      (
        select count(*) from drip_core.whatsapp_templates as t
        where t.organization_id = drip_test.org()
      )
    )
  ), '0 1 1 0 0 0', 'nothing of it is stored'
);
select * from finish();
rollback;
