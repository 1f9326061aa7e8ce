begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1200));
select is((select count(*) from drip.claim(batch_size => 2000, lease => '1 minute', organization_id => drip_test.org())), 1200::bigint, '1200 claims');
select drip_test.at('2026-03-02T09:01:00Z');
select is(drip.tick() ->> 'leases_released', '1000', 'one tick releases a bounded number');
select is(drip.tick() ->> 'leases_released', '200', 'the next one goes on where it stopped');
select is(drip.tick() - 'partitions_made', '{"queues_probed": 0, "leases_released": 0, "messages_held": 0}', 'until there is nothing to do');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1200}', 'all of them go out');
select drip_test.no_violations();

select finish();
rollback;
