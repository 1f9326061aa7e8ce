begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order", "language": "en", "status": "approved",
  "components": [{"type": "BODY", "text": "Hi {{1}}, about {{2}}"}]}');
select drip_test.email_sequence(drip_test.org(), 'order', 1, '{"steps": [{"key": "update", "channel": "whatsapp_cloud",
  "template": "order", "language": "en", "parameters": {"1": "{{ contact.first_name | default: ''there'' }}", "2": "No. {{ contact.company }}"}}]}');
select drip_test.enrolled(drip_test.org(), 'order', array[
  drip_test.contact(drip_test.org(), 'ann', e'{"phone": "+4915112345678", "company": "A\\nB", "first_name": null}')
]);

create temporary table m as
select
  c.channel,
  c.template,
  c.to_address,
  c.subject,
  c.headers
from drip.claim(organization_id => drip_test.org()) as c;

select is(
  m.template, '{"name": "order", "language": "en", "parameters": {"1": "there", "2": "No. A B"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "there"}, {"type": "text", "text": "No. A B"}]}]}',
  'M7: each placeholder has its own value, or its default'
) from m;
select is(m.to_address, '+4915112345678', 'to_address is the phone number') from m;
select is(m.channel::text, 'whatsapp_cloud', 'channel') from m;
select is(m.subject, null, 'it has no subject') from m;
select is(m.headers, '{}', 'it has no headers') from m;

select finish();
rollback;
