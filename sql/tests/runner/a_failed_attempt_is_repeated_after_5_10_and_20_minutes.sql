begin;
select plan(12);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);

select is(drip_test.settle('retry', drip_test.org(), '{"error_code": "451"}'), '{"retry_scheduled": 1}', 'the first attempt');
select is(drip.next_due_at(), '2026-03-02T09:05:00Z', 'is repeated after 5 minutes');
select drip_test.at('2026-03-02T09:05:00Z');
select is((select c.attempt from drip.claim(organization_id => drip_test.org(), lease => '1 minute') as c), 2, 'the message says which attempt it is');
select drip_test.at('2026-03-02T09:06:00Z');
select is(drip_test.settle('retry', drip_test.org()), '{"retry_scheduled": 1}', 'the second attempt');
select is(drip.next_due_at(), '2026-03-02T09:16:00Z', 'after 10');
select drip_test.at('2026-03-02T09:16:00Z');
select drip_test.settle('retry', drip_test.org());
select is(drip.next_due_at(), '2026-03-02T09:36:00Z', 'after 20');
select drip_test.at('2026-03-02T09:36:00Z');
select is(drip_test.settle('retry', drip_test.org(), '{"error_code": "452", "error_message": "full"}'), '{"failed": 1}', 'and then given up');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'failed/retries_exhausted', 'with its reason');
select is(
  (
    select concat_ws(' ', m.status, m.reason, m.attempts, m.error_code, m.error_message) from drip_core.messages as m
    where m.organization_id = drip_test.org()
  ),
  'failed retries_exhausted 4 452 full', 'the message says what happened last'
);
select is(
  drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled attempt_failed attempt_failed attempt_failed attempt_failed failed',
  'G4: each attempt is in the history'
);
select is(drip_test.books(drip_test.org(), 'sales'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: nothing counts against the limit');
select drip_test.no_violations();

select finish();
rollback;
