begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"on_unknown": "resend"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));
create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select is(drip.hand_over(c.claims), 2, 'both are handed over') from c;
select is(drip_test.report(jsonb_build_array(c.claims -> 0), 'unknown'), 'retry_scheduled', 'X1: nobody knows: sent again, as this sender''s policy says')
from c;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 1, due 2026-03-02 09:05', 'which counts an attempt');
select drip_test.at('2026-03-02T09:05:00Z');
select is(
  drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 1, "messages_held": 0}',
  'X1: one whose lease expires is not held'
);
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'both go out');
select drip_test.no_violations();

select finish();
rollback;
