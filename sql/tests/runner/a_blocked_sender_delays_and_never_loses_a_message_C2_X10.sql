begin;
select plan(10);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.keep('sales', drip_test.mailbox(drip_test.org(), 'sales'));
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

create temporary table c as select drip_test.claims(drip_test.org(), 2) as claims;
select is(
  drip_test.report(jsonb_build_array(c.claims -> 0), 'sender_error', '{"error_code": "535", "error_message": "bad credentials"}'), 'deferred',
  'the message is put off'
) from c;
select is(s.status || ' ' || s.reason || ' ' || s.detail, 'blocked sender_blocked 535 bad credentials', 'X10: the sender stops, and says why')
from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C2: step and attempt are kept');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 1 leased, 0 held, 0 sent', 'M6: its capacity is given back');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'nothing more is claimed');
select is(drip.next_due_at(), null, 'nothing can be until someone resumes it');
select is(drip_test.report(jsonb_build_array(c.claims -> 1)), 'completed', 'what was in flight is settled all the same') from c;
select drip.resume_lane(drip_test.org(), drip_test.kept('sales'));
select is(drip.next_due_at(), '2026-03-02T09:00:00Z', 'a resumed lane has work at once');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'C2: every message goes out in the end');
select drip_test.no_violations();

select finish();
rollback;
