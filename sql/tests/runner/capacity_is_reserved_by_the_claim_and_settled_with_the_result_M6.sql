begin;
select plan(14);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 7}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 20));

create temporary table c as
select
  k.claim,
  k.ordinal
from jsonb_array_elements(drip_test.claims(drip_test.org())) with ordinality as k (claim, ordinal);
select drip.hand_over((select jsonb_agg(c.claim) from c));
select is(drip_test.books(drip_test.org(), 'sales'), 'used 7: 7 leased, 0 held, 0 sent', 'M6: a claim reserves');
select is(drip_test.report(jsonb_build_array(c.claim)), 'completed', 'sent') from c
where c.ordinal = 1;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 7: 6 leased, 0 held, 1 sent', 'M6: sent keeps its place');
select drip_test.report(jsonb_build_array(c.claim), 'retry') from c
where c.ordinal = 2;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 6: 5 leased, 0 held, 1 sent', 'M6: retry gives it back');
select drip_test.report(jsonb_build_array(c.claim), 'rejected') from c
where c.ordinal = 3;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 5: 4 leased, 0 held, 1 sent', 'M6: rejected gives it back');
select drip_test.report(jsonb_build_array(c.claim), 'throttled') from c
where c.ordinal = 4;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 4: 3 leased, 0 held, 1 sent', 'M6: throttled gives it back');
select drip_test.report(jsonb_build_array(c.claim), 'sender_error') from c
where c.ordinal = 5;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 3: 2 leased, 0 held, 1 sent', 'M6: sender_error gives it back');
select drip_test.report(jsonb_build_array(c.claim), 'unknown') from c
where c.ordinal = 6;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 3: 1 leased, 1 held, 1 sent', 'M6: a hold keeps it');
select drip_test.at('2026-03-02T09:30:00Z');
select is(drip.tick() ->> 'messages_held', '1', 'the last one''s lease expires after it was handed over');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 3: 0 leased, 2 held, 1 sent', 'M6: it is held as well');
select drip.resolve_unknown(drip_test.org(), (c.claim ->> 'enrollment_id')::bigint, (c.claim ->> 'claim_token')::bigint, 'retry') from c
where c.ordinal = 6;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 2: 0 leased, 1 held, 1 sent', 'M6: resolved as retry it gives its place back');
select drip.resolve_unknown(drip_test.org(), (c.claim ->> 'enrollment_id')::bigint, (c.claim ->> 'claim_token')::bigint, 'sent') from c
where c.ordinal = 7;
select is(drip_test.books(drip_test.org(), 'sales'), 'used 2: 0 leased, 0 held, 2 sent', 'M6: resolved as sent it keeps it');
select drip.resume_lane(drip_test.org(), (
  select a.id from drip_core.channel_accounts as a
  where a.organization_id = drip_test.org()
));
select drip_test.at('2026-03-02T10:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 5}', 'M6: failed sends gave their capacity back: seven go out this day');
select drip_test.no_violations();

select finish();
rollback;
