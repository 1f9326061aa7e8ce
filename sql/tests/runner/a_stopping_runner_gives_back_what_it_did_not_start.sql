begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 4}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 5));
create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select drip.hand_over(jsonb_build_array(c.claims -> 0)) from c;
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c2'));

select is(drip.release(c.claims), 3, 'what was handed over is left to its lease') from c;
select is(drip.release(c.claims), 0, 'once') from c;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 1 leased, 0 held, 0 sent', 'M6: the capacity of the others is given back');
select is(drip.next_due_at(), '2026-03-02T09:00:00Z', 'they are due at once');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'and go out: two of them and one more');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'paused s1, attempt 0, due 2026-03-02 09:00', 'a paused one waits');
select is(drip_test.report(jsonb_build_array(c.claims -> 2)), 'stale', 'X1: under its old token nothing can be settled') from c;
select is(drip_test.report(jsonb_build_array(c.claims -> 0)), 'completed', 'what was started can') from c;
select drip_test.no_violations();

select finish();
rollback;
