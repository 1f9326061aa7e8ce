begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'a'), '2026-03-30T09:00:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'the lane is drained: what waits is due in four weeks');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'b'));
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'what comes is claimed at once');

-- even if nobody said so, as when its transaction commits late
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'd'));
delete from drip_core.wakeups as w
where w.organization_id = drip_test.org();
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'a lane that nobody woke is not visited');
select drip_test.at('2026-03-02T09:05:00Z');
select
  is(
    drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'a drained lane is read from its beginning after five minutes at most, also without a tick'
  );
select is(drip.next_due_at(), '2026-03-30T09:00:00Z', 'the rest is due as it was');
select drip_test.no_violations();

select finish();
rollback;
