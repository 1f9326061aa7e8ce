begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));
create temporary table old as select drip_test.claims(drip_test.org(), 2, '1 minute') as claims;
select drip_test.at('2026-03-02T09:01:00Z');
create temporary table c as select drip_test.claims(drip_test.org(), 2, '10 minutes') as claims;
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c1'));

select is(drip_test.report(jsonb_build_array(old.claims -> 0, c.claims -> 1)), 'stale completed', 'a stale result of one comes with a valid one of another')
from old, c;
select drip_test.no_violations('X1: the claim of the first can still be found by its lease');
select drip_test.at('2026-03-02T09:11:00Z');
select is(drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 1, "messages_held": 0}', 'when that expires');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 0 leased, 0 held, 1 sent', 'M6: its capacity is given back');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'paused s1, attempt 0, due 2026-03-02 09:00', 'and it keeps its place');
select drip_test.no_violations();

select finish();
rollback;
