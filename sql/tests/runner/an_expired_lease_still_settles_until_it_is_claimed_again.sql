begin;
select plan(3);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);

create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select drip_test.at('2026-03-02T10:00:00Z');
select is(drip_test.report(c.claims), 'completed', 'a late answer counts while nobody else took the message (X1)') from c;
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'so it is not sent twice');
select drip_test.no_violations();

select finish();
rollback;
