begin;
select plan(12);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4));
create temporary table c as select drip_test.claims(drip_test.org(), 4, '2 minutes') as claims;

select is(drip.hand_over(jsonb_build_array(c.claims -> 0, c.claims -> 1)), 2, 'two are handed to their provider') from c;
select is(drip.hand_over(jsonb_build_array(c.claims -> 0)), 1, 'to say so again changes nothing') from c;
select is(drip.hand_over(jsonb_build_array(c.claims -> 2 || '{"claim_token": 1}')), 0, 'a claim that is not valid is not counted') from c;
select drip_test.report(jsonb_build_array(c.claims -> 0)) from c;

select is(drip.next_due_at(), '2026-03-02T09:02:00Z', 'the runner dies: there is work when the leases expire');
select drip_test.at('2026-03-02T09:01:59Z');
select is(drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 0, "messages_held": 0}', 'not before');
select drip_test.at('2026-03-02T09:02:00Z');
select
  is(
    drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed',
    '{"leases_released": 2, "messages_held": 1}',
    'X1: then what was never handed over is due, what was is held'
  );
select is(drip.tick() - 'counts_added_up' - 'partitions_made', '{"queues_probed": 0, "leases_released": 0, "messages_held": 0}', 'a second tick finds nothing');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 0, held', 'X1: held, not repeated');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('c2')), 'enrolled held', 'which its history says');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'X1: the others go out');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 4: 0 leased, 1 held, 3 sent', 'M6: one place for each');
select drip_test.no_violations();

select finish();
rollback;
