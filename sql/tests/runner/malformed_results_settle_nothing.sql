begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table c as select drip_test.claims(drip_test.org()) -> 0 as claim;

select alike(drip_test.error_of(format('select drip.advance(%L)', x.results)), 'PT422 | invalid results | ' || x.detail, 'refused: ' || x.what)
from c
cross join lateral (
  values
  ('null', null, 'results: a JSON array is needed'),
  ('an object', c.claim || '{"outcome": "sent"}', 'results: a JSON array is needed'),
  ('an unknown outcome', jsonb_build_array(c.claim || '{"outcome": "sent"}', c.claim || '{"outcome": "snet"}'), 'results[1].%'),
  ('no token', jsonb_build_array(c.claim || '{"outcome": "sent"}', (c.claim - 'claim_token') || '{"outcome": "sent"}'), 'results[1].%'),
  ('an id that is no number', jsonb_build_array(c.claim || '{"outcome": "sent", "enrollment_id": "1; drop"}'), 'results[0].%'),
  ('a list of numbers', '[1]', 'results[0]: an object is needed')
) as x (what, results, detail);
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s1, attempt 0, due 2026-03-02 09:00', 'C0: nothing is settled, nothing advances'
);
select is(drip_test.report(jsonb_build_array(c.claim)), 'completed', 'said again, corrected, it counts') from c;
select drip_test.no_violations();

select finish();
rollback;
