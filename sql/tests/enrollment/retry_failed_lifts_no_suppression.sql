begin;
select plan(4);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.keep('e', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann')) as e;
select drip_test.settle('rejected', extra => '{"reason": "rejected_policy"}');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_out"}}');
select is(drip_test.state(drip_test.org(), drip_test.kept('e')), 'failed/rejected_policy', 'an opt-out leaves what has ended as it is');
select count(drip_test.keep('new', r.new_enrollment_id)) from drip.retry_failed(drip_test.org(), array[drip_test.kept('e')]) as r;
select is(drip_test.settle(), '{}', 'H4: nothing is sent to who opted out meanwhile');
select is(
  (
    select string_agg(distinct x.status || '/' || x.reason, ' ') from drip.list_enrollments(drip_test.org()) as x
    where x.status not in ('failed')
  ),
  'unsubscribed/opted_out', 'H4: the new entry ends at its claim'
);
select drip_test.no_violations();
select * from finish();
rollback;
