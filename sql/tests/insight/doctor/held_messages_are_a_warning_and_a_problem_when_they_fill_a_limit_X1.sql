begin;
select plan(3);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 2}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || regexp_replace(d.detail, 'organization .*', 'organization')
  from drip.doctor() as d where d.check_name = 'held_outcomes';
$$;
select is(pg_temp.found(), 'ok: nothing is held', 'nothing is held');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));
select drip_test.report(drip_test.claims(drip_test.org(), 1), 'unknown');
select is(pg_temp.found(), 'warning: 1 held, the oldest since ' || '2026-03-02T09:00:00Z'::timestamptz, 'X1: a held message waits for a person');
select drip_test.report(drip_test.claims(drip_test.org(), 1), 'unknown');
select is(
  pg_temp.found(),
  format('problem: 2 held, the oldest since %s; they use up the whole limit of sales of organization', '2026-03-02T09:00:00Z'::timestamptz),
  'the limit is full of them: nothing will ever leave'
);
select * from finish();
rollback;
