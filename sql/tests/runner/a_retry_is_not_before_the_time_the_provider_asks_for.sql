begin;
select plan(3);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));

create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select drip_test.report(jsonb_build_array(c.claims -> 0), 'retry', '{"retry_at": "2026-03-02T12:00:00+01:00"}') from c;
select drip_test.report(jsonb_build_array(c.claims -> 1), 'retry', '{"retry_at": "2026-03-02T09:01:00Z"}') from c;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 1, due 2026-03-02 11:00', 'a later time wins');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 1, due 2026-03-02 09:05', 'an earlier one does not');
select drip_test.no_violations();

select finish();
rollback;
