begin;
select plan(7);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 6));
-- in the order of the contacts: a claim promises none
create temporary table c as
select jsonb_agg(x.claim order by x.claim -> 'enrollment_id') as claims
from jsonb_array_elements(drip_test.claims(drip_test.org())) as x (claim);
select drip_test.at('2026-03-02T09:04:00Z');

select drip_test.report(jsonb_build_array(c.claims -> x.n), x.outcome, x.extra)
from c
cross join (
  values
  (0, 'sent', '{"occurred_at": "2026-03-02T09:03:00Z"}'::jsonb),
  (1, 'sent', '{"occurred_at": "yesterday"}'),
  (2, 'sent', '{"occurred_at": "2099-01-01T00:00:00Z"}'),
  (3, 'sent', '{"occurred_at": "1999-99-99T00:00:00Z", "retry_at": 7}'),
  (4, 'rejected', '{"reason": "bad karma"}'),
  (5, 'rejected', '{"reason": "daily_limit"}')
) as x (n, outcome, extra);
select is(to_char(m.settled_at at time zone 'UTC', 'HH24:MI'), x.at, x.what)
from (
  values
  ('c1', '09:03', 'M5: a message has its own time'), ('c2', '09:04', 'what is no time is now'),
  ('c3', '09:04', 'nothing happened in the future'), ('c4', '09:04', 'nor on a day that does not exist')
) as x (key, at, what)
inner join drip_core.messages as m on m.organization_id = drip_test.org() and m.enrollment_id = drip_test.enrollment(x.key);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c5')), 'failed/rejected_policy', 'a reason that nobody knows counts as policy');
select is(
  drip_test.state(drip_test.org(), drip_test.enrollment('c6')), 'failed/rejected_policy', 'C2: a temporary reason ends nothing: rejected does, by policy'
);
select drip_test.no_violations();

select finish();
rollback;
