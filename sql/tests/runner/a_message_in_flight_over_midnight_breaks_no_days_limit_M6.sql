begin;
select plan(9);

select drip_test.at('2026-03-02T23:58:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 4}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 20));

create temporary table c as
select
  k.claim,
  k.ordinal
from jsonb_array_elements(drip_test.claims(drip_test.org(), 4, '10 minutes')) with ordinality as k (claim, ordinal);
select is(drip_test.report(jsonb_build_array(c.claim)), 'completed', 'one is sent before midnight') from c
where c.ordinal = 1;
select drip_test.at('2026-03-03T00:01:00Z');
select is(
  jsonb_array_length(drip_test.claims(drip_test.org(), 10, '10 minutes')), 1,
  'M6: the new day begins with the three that are unsettled'
);
select is(drip_test.report(jsonb_build_array(c.claim), 'retry'), 'retry_scheduled', 'one of them is not sent after all') from c
where c.ordinal = 2;
select is(jsonb_array_length(drip_test.claims(drip_test.org(), 10, '10 minutes')), 1, 'M6: which makes room for another one today');
select is(drip_test.report((
  select jsonb_agg(c.claim) from c
  where c.ordinal > 2
)), 'completed completed', 'the others are sent after midnight');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 4: 2 leased, 0 held, 2 sent', 'M6: and count for the new day');
select drip_test.settle('sent', drip_test.org());
create temporary table rest as select
  drip_test.at('2026-03-03T00:11:00Z') is null as later,
  drip.tick() as ticked;
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'the two whose lease expired are sent');
select results_eq(
  $$
    select m.settled_at::date, count(*)::int
    from drip_core.messages as m
    where m.organization_id = drip_test.org()
    group by 1
    order by 1
  $$,
  $$ values ('2026-03-02'::date, 1), ('2026-03-03'::date, 4) $$, 'M6: on the wire no local day exceeds the limit'
);
select drip_test.no_violations();

select finish();
rollback;
