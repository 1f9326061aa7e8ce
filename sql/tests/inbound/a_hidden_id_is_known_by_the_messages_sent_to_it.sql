-- WhatsApp lets people write under ids that hide their numbers: who it is, a message that we sent has told us.
begin;
select plan(5);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.phone_line(drip_test.org(), 'line');
select drip_test.email_sequence(drip_test.org(), 'chat', 1, '{"steps": [
  {"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"},
  {"key": "s2", "channel": "whatsapp_lite", "delay": "1 day", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.enrolled(drip_test.org(), 'chat', array[
  drip_test.contact(drip_test.org(), 'ann', '{"first_name": "Ann", "phone": "+4915112345678"}')
]);
create temporary table t on commit drop as select drip_test.claims(drip_test.org()) as claims;
select drip.record_recipient_check(
  drip_test.org(), (claims -> 0 ->> 'enrollment_id')::bigint, (claims -> 0 ->> 'claim_token')::bigint,
  '{"reachable": true, "provider_address": "4915112345678@c.us", "alias": "99887766@lid"}'
) from t;
select drip_test.report(claims, 'sent', '{"provider_message_id": "3EB0AA"}') from t;

-- somebody else hides, too
select drip.record_inbound(drip_test.org(), '{"channel": "whatsapp_lite", "from_address": "11111111@lid", "text": "stop", "external_id": "a"}');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'active/-', 'an id that nobody knows is nobody');
select is(
  (
    select i.state::text || ' ' || i.from_address from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org()
  ),
  'applied 11111111@lid', 'and its message is kept'
);
-- an answer names the message that it answers
select drip.record_inbound(drip_test.org(), '{"channel": "whatsapp_lite", "from_address": "22222222@lid", "text": "Yes", "external_id": "b",
  "in_reply_to": ["3EB0AA"]}');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'paused/replied', 'an answer is found by what it answers');
select drip.record_inbound(drip_test.org(), '{"channel": "whatsapp_lite", "from_address": "99887766@lid", "text": "Stop", "external_id": "c"}');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'unsubscribed/unsubscribed', 'an id that is known is the person');
select is(
  (
    select i.from_address from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and i.external_id = 'c'
  ), '+4915112345678', 'with the number'
);
select * from finish();
rollback;
