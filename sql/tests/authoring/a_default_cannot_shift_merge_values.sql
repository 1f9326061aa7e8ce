-- The unit separator joins merge values inside the engine: a default that contains one must not move the next field's value.
begin;
select plan(1);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'welcome', 'name', 'W', 'steps', jsonb_build_array(jsonb_build_object(
  'key', 'one', 'channel', 'email', 'delay', '0', 'subject', 'S',
  'text', 'F={{ contact.company | default: ''x' || chr(31) || 'y'' }} L={{ contact.last_name | default: ''LL'' }}'
))));
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
select is(drip_test.without_footer(c.text_body), 'F=xy L=LL', 'each field has its own value') from drip.claim(organization_id => drip_test.org()) as c;
select finish();
rollback;
