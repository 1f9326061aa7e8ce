begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"ramp_start": 2, "ramp_increment": 3, "daily_limit": 7}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'a claim of nothing does not start the ramp');

select drip_test.at('2026-03-10T09:00:00Z');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 30));
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'the first day has ramp_start');
select drip_test.at('2026-03-11T09:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 5}', 'each day after it ramp_increment more');
select drip_test.at('2026-03-13T09:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 7}', 'never more than the daily limit');
select is(s.effective_limit || ' ' || s.sent_today, '7 7', 'the lane shows the limit of the day')
from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select drip_test.no_violations();

select finish();
rollback;
