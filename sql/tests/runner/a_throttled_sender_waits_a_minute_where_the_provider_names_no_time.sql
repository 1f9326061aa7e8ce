begin;
select plan(3);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

select is(drip_test.report(drip_test.claims(drip_test.org(), 2), 'throttled'), 'deferred deferred', 'two are put off');
select is(drip.next_due_at(), '2026-03-02T09:01:00Z', 'for a minute');
select is(drip_test.report(jsonb_build_array(), 'throttled'), '', 'nothing to settle is nothing wrong');

select finish();
rollback;
