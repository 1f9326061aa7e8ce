begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order", "status": "approved", "components": []}');
select drip_test.email_sequence(drip_test.org(), 'order', 1, '{"steps": [{"key": "s1", "channel": "whatsapp_cloud", "template": "order"}]}');
select drip_test.enrolled(drip_test.org(), 'order', array[drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4915112345678"}')]);

select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order", "status": "paused"}');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'a message whose template is paused is not sent');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s1, attempt 0, due 2026-03-02 09:15',
  'C2, X3: it keeps step and attempt, and leaves the due set for a while'
);
select is(drip_test.books(drip_test.org(), 'line'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: it takes no capacity');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order", "status": "approved"}');
select drip_test.at(drip.next_due_at());
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'C2: it goes out once the template is back');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled sent completed', 'without a trace of the wait');
select drip_test.no_violations();

select finish();
rollback;
