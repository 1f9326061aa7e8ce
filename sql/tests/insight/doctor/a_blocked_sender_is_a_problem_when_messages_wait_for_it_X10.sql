begin;
select plan(5);
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.keep('sales', drip_test.mailbox(drip_test.org(), 'sales'));
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || regexp_replace(d.detail, 'organization .*: ', 'organization: ')
  from drip.doctor() as d where d.check_name = 'blocked_lanes';
$$;
select is(pg_temp.found(), 'ok: no sender is blocked, or paused by its guardrails', 'nothing is blocked');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1));
select drip_test.settle('sender_error', extra => '{"error_message": "535 bad password"}');
select is(
  pg_temp.found(), 'problem: 1 blocked, messages wait for 1 of them: sales of organization: 535 bad password', 'X10: blocked, and something waits'
);
select matches(
  (
    select d.remedy from drip.doctor() as d
    where d.check_name = 'blocked_lanes'
  ), 'pgdrip lanes resume', 'the remedy names the command'
);
select drip.resume_lane(drip_test.org(), drip_test.kept('sales'));
select is(pg_temp.found(), 'ok: no sender is blocked, or paused by its guardrails', 'resumed');
select drip_test.settle('sender_error', extra => '{"error_message": "535 bad password"}');
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c1'));
select matches(pg_temp.found(), '^warning: 1 blocked, messages wait for 0 of them', 'a warning where nothing waits');
select * from finish();
rollback;
