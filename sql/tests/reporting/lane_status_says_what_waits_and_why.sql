begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization('Acme', 'Asia/Tokyo');
select drip_test.just(drip_test.org());
select drip_test.keep('sales', drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 3}'));
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
create function pg_temp.lane() returns text language sql as $$
  select format('%s %s | waiting %s, due %s, in flight %s, held %s | %s of %s | next %s', s.status, coalesce(s.reason, '-'), s.waiting, s.due,
    s.in_flight, s.held, s.sent_today, s.effective_limit, coalesce(to_char(s.next_slot_at at time zone 'UTC', 'MM-DD HH24:MI'), '-'))
  from drip_report.lane_status as s where s.organization_id = drip_test.org() and s.channel_account_key = 'sales'
    and s.channel_account_id = drip_test.kept('sales') and s.channel = 'email';
$$;

select is(pg_temp.lane(), 'active - | waiting 0, due 0, in flight 0, held 0 | 0 of 3 | next -', 'nothing to do');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 6));
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1, 'l'), '2026-06-01T00:00:00Z');
select is(pg_temp.lane(), 'active - | waiting 7, due 6, in flight 0, held 0 | 0 of 3 | next -', 'seven wait, six are due');
create temporary table c as select drip_test.claims(drip_test.org(), 2) as claims;
select is(pg_temp.lane(), 'active - | waiting 5, due 4, in flight 2, held 0 | 0 of 3 | next -', 'what is in flight does not wait, and is not sent');
select
  drip_test.report(jsonb_build_array(c.claims -> 0)),
  drip_test.report(jsonb_build_array(c.claims -> 1), 'unknown')
from c;
select is(pg_temp.lane(), 'active - | waiting 5, due 4, in flight 0, held 1 | 1 of 3 | next -', 'sent and held');
select drip_test.report(drip_test.claims(drip_test.org()));
select
  is(
    pg_temp.lane(), 'active daily_limit | waiting 4, due 3, in flight 0, held 1 | 2 of 3 | next 03-02 15:00', 'C2: the day is used up until midnight in Tokyo'
  );
select drip_test.at('2026-03-02T15:00:00Z');
select is(pg_temp.lane(), 'active - | waiting 4, due 3, in flight 0, held 1 | 0 of 3 | next -', 'a new day, though no claim came by');
select drip.pause_lane(drip_test.org(), drip_test.kept('sales'), 'x');
select is(pg_temp.lane(), 'paused sender_paused | waiting 4, due 3, in flight 0, held 1 | 0 of 3 | next -', 'paused');
select drip_test.no_violations();

select finish();
rollback;
