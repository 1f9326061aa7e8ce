begin;
select plan(7);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));

create temporary table old as select drip_test.claims(drip_test.org(), 2, '1 minute') as claims;
select drip_test.at('2026-03-02T09:01:00Z');
create temporary table c as select drip_test.claims(drip_test.org(), 2) as claims;

select is(
  array(
    select a.disposition
    from c
    cross join lateral drip.advance(jsonb_build_array(
      c.claims -> 0 || '{"outcome": "rejected", "reason": "rejected_content"}', c.claims -> 0 || '{"outcome": "sent"}'
    )) as a
  ),
  array['failed', 'stale'], 'the first of two counts, the second is stale'
);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c1')), 'failed/rejected_content', 'and decides');
select is((
  select count(*) from drip_core.messages as m
  where m.organization_id = drip_test.org()
), 1::bigint, 'there is one message');
select is(
  array(
    select a.disposition
    from c
    cross join old
    cross join lateral drip.advance(jsonb_build_array(
      old.claims -> 1 || '{"outcome": "retry"}', c.claims -> 1 || '{"outcome": "sent"}'
    )) as a
  ),
  array['stale', 'completed'], 'X1: a stale result before a valid one is no duplicate of it'
);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c2')), 'completed/-', 'which counts');
select is((
  select count(*) from drip_core.late_results as l
  where l.organization_id = drip_test.org()
), 2::bigint, 'what did not count is kept');
select drip_test.no_violations();

select finish();
rollback;
