begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"min_gap": "5 minutes", "max_gap": "5 minutes"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));

create temporary table c as select drip_test.claims(drip_test.org(), 1, '10 minutes') as claims;
select drip.hand_over(c.claims) from c;
select drip_test.at('2026-03-02T09:10:00Z');
select is(drip.tick() ->> 'messages_held', '1', 'the message may have left at the last moment of its lease');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'H1: so the next one waits for the gap');
select is(drip.next_due_at(), '2026-03-02T09:15:00Z', 'which starts with the expiry');

select drip_test.at('2026-03-02T09:15:00Z');
create temporary table d as select drip_test.claims(drip_test.org(), 1, '10 minutes') as claims;
select is(jsonb_array_length(d.claims), 1, 'then it leaves') from d;
select drip.hand_over(d.claims) from d;
select drip_test.at('2026-03-02T09:25:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'H1: where the claim itself finds the expired lease it is the same');
select cmp_ok(drip.next_due_at(), '=', '2026-03-02T09:30:00Z', 'the gap starts with the expiry');
select drip_test.at('2026-03-02T09:30:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'C2: and the last one goes out');
select drip_test.no_violations();

select finish();
rollback;
