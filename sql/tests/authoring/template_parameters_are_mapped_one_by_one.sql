begin;
select plan(4);
select drip_test.organization('A');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select
  drip.apply_whatsapp_template(
    drip_test.org(), '{"name": "order_update", "language": "en", "status": "approved", "components": [{"text": "{{1}} {{2}} {{3}}"}]}'
  );
select count(*) from drip.apply_sequence(drip_test.org(), '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "order_update",
  "parameters": {"1": "{{ contact.first_name | default: ''there'' }}", "2": "{{ deal.name }}", "3": "literal 100%"}}]}');
select drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456", "last_name": "Lee"}');
select drip_test.contact(drip_test.org(), 'bob', '{"phone": "+4930123457", "first_name": null}');
select drip.upsert_deal(drip_test.org(), e'{"external_id": "d1", "contact_external_id": "ann", "name": "Big\\nDeal"}');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d2", "contact_external_id": "bob", "name": "Small"}');
select count(*) from drip.enroll_deals(drip_test.org(), 'chats', deal_ids => array(
    select d.id from drip_core.deals as d
    where d.organization_id = drip_test.org()
    order by d.id
  ));
create temporary table claimed on commit drop as select * from drip.claim(organization_id => drip_test.org());
select is(
  (
    select template from claimed
    where to_address = '+4930123456'
  ),
  '{"name": "order_update", "language": "en", "parameters": {"1": "Ann", "2": "Big Deal", "3": "literal 100%"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "Big Deal"},
      {"type": "text", "text": "literal 100%"}]}]}',
  'M7: every placeholder has its own value, never the full name'
);
select is(
  (
    select template -> 'parameters' from claimed
    where to_address = '+4930123457'
  ), '{"1": "there", "2": "Small", "3": "literal 100%"}',
  'M7: a missing value takes its default'
);
select is(
  (select bool_and(subject is null and text_body is null and headers = '{}') from claimed),
  true,
  'a template message has neither subject nor body nor email headers'
);
-- without its deal the value is missing: refused, never sent blank
select is(
  (select outcome::text from drip.enroll(drip_test.org(), 'chats', drip_test.contact(drip_test.org(), 'eve', '{"phone": "+4930123458"}'))), 'missing_field',
  'M7: a missing value without default is a typed refusal'
);
select * from finish();
rollback;
