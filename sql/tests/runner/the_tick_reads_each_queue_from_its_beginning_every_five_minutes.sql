begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.settle('sent', drip_test.org());
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3, 'd'));
delete from drip_core.wakeups as w
where w.organization_id = drip_test.org();
-- the queue remembers a place behind them
update drip_core.queues as q set due_from = '2026-03-02T12:00:00Z', recheck_at = '2026-03-02T09:05:00Z'
where q.organization_id = drip_test.org();
update drip_core.lanes as l set ready_at = '2026-03-02T12:00:00Z'
where l.organization_id = drip_test.org();

select drip_test.at('2026-03-02T09:04:59Z');
select is(drip.tick() ->> 'queues_probed', '0', 'not before its time');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'the work is not seen');
select drip_test.at('2026-03-02T09:05:00Z');
select is(drip.tick() ->> 'queues_probed', '1', 'then the queue is read');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'C2: and nothing is lost');
select drip_test.no_violations();

select finish();
rollback;
