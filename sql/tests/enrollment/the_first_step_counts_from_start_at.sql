begin;
select plan(11);
select drip_test.organization('A', 'Europe/Berlin');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'at-once', 1);
select drip_test.email_sequence(drip_test.org(), 'days', 1, '{"steps": [{"key": "a", "channel": "email", "delay": "2 days", "subject": "x", "text": "y"}]}');
select drip_test.email_sequence(drip_test.org(), 'hours', 1, '{"steps": [{"key": "a", "channel": "email", "delay": "48 hours", "subject": "x", "text": "y"}]}');
-- the night of 29 March 2026 has 23 hours in Berlin
select drip_test.at('2026-03-28 09:00+01');
create function pg_temp.due(p_key text, p_start timestamptz)
returns timestamptz
language plpgsql
as $$
declare
  v_id bigint;
begin
  select e.enrollment_id into v_id
  from drip.enroll(drip_test.org(), p_key, drip_test.contact(drip_test.org(), gen_random_uuid()::text), start_at => p_start) as e;
  return (select e.next_step_at from drip_core.enrollments as e where e.organization_id = drip_test.org() and e.id = v_id);
end;
$$;
select is(pg_temp.due('at-once', null), '2026-03-28 09:00+01'::timestamptz, 'no delay: due now');
select is(pg_temp.due('at-once', '2026-04-05 12:00Z'), '2026-04-05 12:00Z'::timestamptz, 'start_at delays the first step');
select is(pg_temp.due('at-once', '2020-01-01 12:00Z'), '2026-03-28 09:00+01'::timestamptz, 'a start in the past is now');
select is(pg_temp.due('days', null), '2026-03-30 09:00+02'::timestamptz, 'X5: two days later is the same local hour, across the change of clocks');
select is(pg_temp.due('hours', null), '2026-03-30 10:00+02'::timestamptz, 'X5: 48 hours are 48 hours');
select is(pg_temp.due('days', '2026-04-05 12:00Z'), '2026-04-07 12:00Z'::timestamptz, 'the delay counts from start_at');
select matches(
  drip_test.error_of('select pg_temp.due(''days'', ''infinity'')'), '^PT422 \| invalid start_at', 'PT422: a start is within ten years'
);
select is(drip_test.settle(), '{"completed": 2}', 'only what is due is claimed');
select drip_test.at('2026-03-30 09:00+02');
select is(drip_test.settle(), '{"completed": 1}', 'X5: at its local hour the next one');
select drip_test.at('2026-04-07 12:00Z');
select is(drip_test.settle(), '{"completed": 3}', 'and in the end all');
select drip_test.no_violations();
select * from finish();
rollback;
