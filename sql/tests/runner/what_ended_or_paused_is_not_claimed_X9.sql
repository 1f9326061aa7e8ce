begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, jsonb_build_object('steps', jsonb_build_array(
  '{"key": "s1", "channel": "email", "subject": "Hi", "text": "Hi"}'::jsonb,
  '{"key": "s2", "channel": "email", "delay": "30 days", "subject": "Hi", "text": "Hi"}'::jsonb
)));
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 5));
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 5}', 'in the middle of a delay of 30 days');

select drip_test.at('2026-03-20T09:00:00Z');
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c1'));
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c2'));
select drip.upsert_contact(drip_test.org(), '{"external_id": "c3", "consent": {"email": "opted_out"}}');
select drip_test.at('2026-04-01T09:00:00Z');
select is(
  array(
    select c.to_address from drip.claim(organization_id => drip_test.org()) as c
    order by c.to_address
  ),
  array['c4@example.net', 'c5@example.net'], 'X9: nothing is claimed after the exit'
);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c3')), 'unsubscribed/opted_out', 'C1: an opt-out ended its enrollment');
select drip.resume_enrollment(drip_test.org(), drip_test.enrollment('c2'));
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s2, attempt 0, due 2026-04-01 09:00', 'X8: a resumed one goes on where it stopped'
);
select is(array(select c.to_address from drip.claim(organization_id => drip_test.org()) as c), array['c2@example.net'], 'and is claimed');
select drip_test.no_violations();

select finish();
rollback;
