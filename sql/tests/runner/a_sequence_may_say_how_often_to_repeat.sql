begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'once', 1, '{"retry": {"backoff": ["1 hour"]}}');
select drip_test.email_sequence(drip_test.org(), 'never', 1, '{"retry": {"backoff": []}}');
select drip_test.enrolled(drip_test.org(), 'once', drip_test.contacts(drip_test.org(), 1, 'o'));
select drip_test.enrolled(drip_test.org(), 'never', drip_test.contacts(drip_test.org(), 1, 'n'));

select is(drip_test.settle('retry', drip_test.org()), '{"failed": 1, "retry_scheduled": 1}', 'without a backoff the first failure is the last');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('n1')), 'failed/retries_exhausted', 'of that sequence');
select is(drip.next_due_at(), '2026-03-02T10:00:00Z', 'the other one waits as long as it says');
select drip_test.at('2026-03-02T10:00:00Z');
select is(drip_test.settle('retry', drip_test.org()), '{"failed": 1}', 'and gives up after that');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('o1')), 'failed/retries_exhausted', 'as well');
select drip_test.no_violations();

select finish();
rollback;
