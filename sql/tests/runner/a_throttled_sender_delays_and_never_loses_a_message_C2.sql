begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 10}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

select is(drip_test.report(drip_test.claims(drip_test.org(), 1), 'throttled', '{"retry_at": "2026-03-02T09:40:00Z"}'), 'deferred', 'the message is put off');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C2: it keeps step and attempt');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('c1')), 'enrolled', 'and nothing is said of it');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: its capacity is given back');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'the whole lane waits');
select is(drip.next_due_at(), '2026-03-02T09:40:00Z', 'until the time the provider asked for');
select is(s.reason, 'throttled', 'the lane says why') from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select drip_test.at('2026-03-02T09:40:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'C2: every message goes out in the end');
select drip_test.no_violations();

select finish();
rollback;
