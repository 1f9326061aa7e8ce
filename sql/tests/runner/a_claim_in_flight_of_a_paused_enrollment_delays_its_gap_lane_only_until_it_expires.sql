begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"min_gap": "5 minutes", "max_gap": "5 minutes"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));
select drip_test.claims(drip_test.org(), 1, '10 minutes');
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c1'));

select is(drip.next_due_at(), '2026-03-02T09:10:00Z', 'what waits can go on when the lease expires');
select drip_test.at('2026-03-02T09:10:00Z');
select is(drip.tick() ->> 'leases_released', '1', 'which the tick sees');
select is(drip.next_due_at(), '2026-03-02T09:15:00Z', 'H1: then the gap');
select drip_test.at('2026-03-02T09:15:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'C2: and it goes out');
select drip_test.no_violations();

select finish();
rollback;
