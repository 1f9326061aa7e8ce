begin;
select plan(5);
select drip_test.organization('A');
select drip_test.keep('box', drip_test.mailbox(drip_test.org(), 'box'));
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip.pause_lane(drip_test.org(), drip_test.kept('box'), 'away');
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann')) as e), 'enrolled',
  'X10: a paused sender turns nobody away'
);
select is(drip_test.settle(), '{}', 'C2: nothing is sent meanwhile');
select is((select e.status from drip.list_enrollments(drip_test.org()) as e), 'active', 'C2: the enrollment waits');
select drip.resume_lane(drip_test.org(), drip_test.kept('box'));
select is(drip_test.settle(), '{"completed": 1}', 'C2: it goes out when the sender is back');
select drip_test.no_violations();
select * from finish();
rollback;
