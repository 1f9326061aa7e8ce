begin;
select plan(11);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"min_gap": "5 minutes", "max_gap": "5 minutes"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

create temporary table c as select drip_test.claims(drip_test.org(), 100, '30 minutes') as claims;
select is(jsonb_array_length(c.claims), 1, 'H1: of all that is due one message leaves') from c;
select drip_test.at('2026-03-02T09:10:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'H1: while it is unsettled no other one does');
select is(drip.next_due_at(), '2026-03-02T09:30:00Z', 'at the latest when its lease expires');
select is(drip_test.report(c.claims), 'completed', 'it is sent at ten past') from c;
select is(drip.next_due_at(), '2026-03-02T09:15:00Z', 'H1: the gap begins when it is settled, not when it was claimed');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C2: those that wait keep step and attempt'
);
select is(s.reason, 'pacing', 'the lane says why') from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select drip_test.at('2026-03-02T09:14:59Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'not a second before');

select drip_test.at('2026-03-02T09:15:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'C2: then the next one goes out');
select drip_test.at('2026-03-02T09:20:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'C2: and the last one');
select drip_test.no_violations();

select finish();
rollback;
