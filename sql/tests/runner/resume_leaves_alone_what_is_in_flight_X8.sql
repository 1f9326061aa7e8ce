begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table c as select drip_test.claims(drip_test.org(), 1, '10 minutes') as claims;
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('ann'));
select drip_test.at('2026-03-02T09:05:00Z');
select drip.resume_enrollment(drip_test.org(), drip_test.enrollment('ann'));

select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'X8: a resumed message in flight is not claimed a second time');
select is(drip.next_due_at(), '2026-03-02T09:10:00Z', 'before its lease expires');
select drip_test.at('2026-03-02T09:10:00Z');
select is(
  drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 1, "messages_held": 0}',
  'which it does once, though it was paused in between'
);
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'then it goes out');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 0 leased, 0 held, 1 sent', 'M6: one place for one message');
select drip_test.no_violations();

select finish();
rollback;
