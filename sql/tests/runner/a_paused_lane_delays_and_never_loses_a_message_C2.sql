begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.keep('sales', drip_test.mailbox(drip_test.org(), 'sales'));
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

create temporary table c as select drip_test.claims(drip_test.org(), 1) as claims;
select drip.pause_lane(drip_test.org(), drip_test.kept('sales'), 'holiday');
select is(s.status || ' ' || s.reason || ' ' || s.detail, 'paused sender_paused holiday', 'the lane says why')
from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'nothing is claimed');
select is(drip.next_due_at(), null, 'nothing waits for a claim');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C2: step and attempt are kept');
select is(drip_test.report(c.claims, 'retry'), 'retry_scheduled', 'what was in flight is settled all the same') from c;
select drip_test.at('2026-03-05T09:00:00Z');
select drip.resume_lane(drip_test.org(), drip_test.kept('sales'));
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'C2: every message goes out in the end');
select is(
  array(select drip_test.events(drip_test.org(), drip_test.enrollment(k.key)) from unnest(array['c1', 'c2']) as k (key)),
  array['enrolled attempt_failed sent completed', 'enrolled sent completed'], 'the pause left no trace in the history of enrollments'
);
select drip_test.no_violations();

select finish();
rollback;
