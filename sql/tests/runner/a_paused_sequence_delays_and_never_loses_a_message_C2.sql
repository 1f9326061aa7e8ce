begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

create temporary table c as select drip_test.claims(drip_test.org(), 1) as claims;
select drip.set_sequence_status(drip_test.org(), 'welcome', 'paused');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'nothing is claimed');
select is(drip.next_due_at(), null, 'nothing waits for a claim');
select is(drip_test.report(c.claims), 'advanced', 'what was in flight is settled and moves on') from c;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s2, attempt 0, due 2026-03-03 09:00', 'to its next step');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C2: the others keep step and attempt');
select drip_test.at('2026-03-05T09:00:00Z');
select drip.set_sequence_status(drip_test.org(), 'welcome', 'active');
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 2, "completed": 1}', 'C2: what waited goes out when it goes on');
select drip_test.at('2026-03-06T09:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'to the end');
select drip_test.no_violations();

select finish();
rollback;
