begin;
select plan(11);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);

create temporary table first as select drip_test.claims(drip_test.org()) as claims;
select drip_test.at('2026-03-02T09:05:00Z');
create temporary table second as select drip_test.claims(drip_test.org()) as claims;
select is(jsonb_array_length(second.claims), 1, 'X1: what was claimed and never handed over is due again when its lease expires') from second;
select cmp_ok((second.claims -> 0 ->> 'claim_token')::bigint, '>', (first.claims -> 0 ->> 'claim_token')::bigint, 'under a new token')
from first, second;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 1 leased, 0 held, 0 sent', 'M6: and takes one place, not two');

select is(drip_test.report(first.claims, 'sent', '{"provider_message_id": "late-1"}'), 'stale', 'the first runner comes too late') from first;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s1, attempt 0, due 2026-03-02 09:00', 'a stale token changes nothing');
select is(
  (
    select l.provider_message_id || ' ' || l.outcome from drip_core.late_results as l
    where l.organization_id = drip_test.org()
  ),
  'late-1 sent', 'what it said of the provider is kept'
);
select is(drip_test.report(second.claims), 'advanced', 'the second one settles the message') from second;
select is(drip_test.report(second.claims), 'stale', 'once') from second;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s2, attempt 0, due 2026-03-03 09:05', 'and it moves on by one step');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 0 leased, 0 held, 1 sent', 'M6: one place for one message');
select drip_test.no_violations();

select finish();
rollback;
