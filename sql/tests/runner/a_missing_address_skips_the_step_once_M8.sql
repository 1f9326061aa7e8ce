begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_lite', '{"min_gap": null, "max_gap": null}');
select drip_test.email_sequence(drip_test.org(), 'mixed', 1, '{"steps": [
  {"key": "mail", "channel": "email", "subject": "Hi", "text": "Hi"},
  {"key": "chat", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "1 hour", "text": "Hi"},
  {"key": "last", "channel": "email", "delay": "1 day", "subject": "Hi", "text": "Hi"},
  {"key": "bye", "channel": "email", "delay": "1 day", "subject": "Hi", "text": "Hi"}]}');
select drip_test.enrolled(drip_test.org(), 'mixed', array[
  drip_test.contact(drip_test.org(), 'ann', '{"email": null, "phone": "+4915112345678"}')
]);

select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'without an address nothing is sent');
select
  is(
    drip_test.place(drip_test.org(), drip_test.enrollment('ann')),
    'active chat, attempt 0, due 2026-03-02 10:00',
    'M8: the step is skipped while a later one can be delivered'
  );
select drip_test.at('2026-03-02T10:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 1}', 'and that one is');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active last, attempt 0, due 2026-03-03 10:00', 'then two emails are left');
select drip_test.at('2026-03-03T10:00:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'which cannot be sent');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'failed/no_address', 'M8: the enrollment ends at once');
select is(
  drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled skipped sent failed', 'M8: with one event, not one for each step that is left'
);
select is(
  array(
    select v.reason::text from drip_core.events as v
    where v.organization_id = drip_test.org() and v.reason is not null
    order by v.id
  ),
  array['no_address', 'no_address'], 'M8, G4: each with its reason'
);
select drip_test.no_violations();

select finish();
rollback;
