begin;
select plan(16);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.keep('sales', drip_test.mailbox(drip_test.org(), 'sales'));
select drip_test.mailbox(drip_test.org(), 'capped', '{"daily_limit": 1}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"senders": [{"account": "sales"}]}');
select drip_test.email_sequence(drip_test.org(), 'slow', 1, '{"senders": [{"account": "capped"}]}');
create temporary table e as select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4)) as ids;
create function pg_temp.why(external_id text, wanted text) returns text language sql as $$
  select string_agg(concat_ws(' ', w.rule, w.verdict, w.detail), e'\n' order by w.ordinality)
  from drip.why(drip_test.org(), drip_test.enrollment(why.external_id)) with ordinality as w
  where w.rule = why.wanted;
$$;

select is(
  array(select w.rule from drip.why(drip_test.org(), drip_test.enrollment('c1')) as w),
  array['status', 'step', 'claim', 'sequence', 'lane', 'daily_limit', 'pacing', 'eligibility', 'window', 'contact_cap', 'next'],
  'the first row is status, the last one next'
);
select is((
  select w.verdict from drip.why(drip_test.org(), drip_test.enrollment('c1')) as w
  where w.rule = 'status'
), 'active', 'its verdict is the status');
select alike(pg_temp.why('c1', 'next'), 'next 2026-03-02 09:00:00+00 at the next claim of its lane', 'due now');
create temporary table c as select drip_test.claims(drip_test.org(), 4) as claims;
select is(
  pg_temp.why('c1', 'claim') || '; ' || pg_temp.why('c1', 'next'),
  'claim in_flight leased until 2026-03-02 09:05:00+00; next now it is with the runner', 'in flight'
);
select drip_test.report(jsonb_build_array(c.claims -> 0), 'unknown') from c;
select is(pg_temp.why('c1', 'next'), 'next never its outcome is unknown', 'held');
select drip_test.report(jsonb_build_array(c.claims -> 1), 'sent') from c;
select alike(pg_temp.why('c2', 'next'), 'next 2026-03-03 09:00:00+00 %', 'not due before tomorrow');
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c2'), 'on holiday');
select alike(pg_temp.why('c2', 'status'), 'status paused since % reason: manual, on holiday', 'paused, and why');
select is(pg_temp.why('c2', 'next'), 'next never the enrollment is paused', 'so never');
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c2'));
select is(pg_temp.why('c2', 'next'), 'next never the enrollment has ended', 'ended');
select drip.upsert_contact(drip_test.org(), '{"external_id": "c3", "email": null}');
select is(pg_temp.why('c3', 'next'), 'next never not eligible: no_address', 'X3: not eligible, as the claim would see it');
select drip.pause_lane(drip_test.org(), drip_test.kept('sales'), 'warming up');
select is(
  pg_temp.why('c4', 'lane') || '; ' || pg_temp.why('c4', 'next'),
  'lane paused sales, sender_paused, warming up; next never the sender sales is paused', 'its sender is paused'
);
select drip.set_sequence_status(drip_test.org(), 'welcome', 'paused');
select is(pg_temp.why('c4', 'next'), 'next never the sequence is paused', 'its sequence is paused');

select drip_test.enrolled(drip_test.org(), 'slow', drip_test.contacts(drip_test.org(), 2, 's'));
select drip_test.settle('sent', drip_test.org());
select alike(
  pg_temp.why('s2', 'daily_limit') || '; ' || pg_temp.why('s2', 'next'),
  'daily_limit waits 1 of 1 on 2026-03-02; next 2026-03-03 00:00:00+00 %', 'C2: its sender used its day up'
);
select is(pg_temp.why('s1', 'status'), 'status completed since 2026-03-02 09:00:00+00', 'completed');
select alike(drip_test.error_of(format('select drip.why(%s, -1)', drip_test.org())), 'PT404 | enrollment not found |%', 'H2: one that is not there');
select alike(drip_test.error_of(format('select drip.why(%s, 1)', drip_test.org() + 1)), 'PT404 |%', 'H2: or of somebody else');

select finish();
rollback;
