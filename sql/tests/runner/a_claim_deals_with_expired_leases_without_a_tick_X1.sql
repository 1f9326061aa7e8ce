begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
create temporary table c as select drip_test.claims(drip_test.org(), 3, '2 minutes') as claims;
select is(drip.hand_over(jsonb_build_array(c.claims -> 0)), 1, 'one of three is handed over') from c;

select drip_test.at('2026-03-02T09:02:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 2, 'X1: the others are claimed again');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 0, held', 'X1: it is held');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 3: 2 leased, 1 held, 0 sent', 'M6: one place for each');
select drip_test.no_violations();

select finish();
rollback;
