begin;
select plan(13);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select is(drip_test.report(c.claims, 'unknown', '{"error_code": "timeout"}'), 'held', 'held') from c;

select is(concat_ws(' ', u.sequence_key, u.step_key, u.channel_account_key, u.error_code), 'welcome s1 sales timeout', 'it can be seen')
from drip_report.unknown_outcomes as u
where u.organization_id = drip_test.org();
select drip_test.at('2026-04-02T09:00:00Z');
select is(drip.tick() ->> 'leases_released', '0', 'time does not release it');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'nobody claims it');
select is(drip.next_due_at(), null, 'nothing waits');
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('ann'));
select drip.resume_enrollment(drip_test.org(), drip_test.enrollment('ann'));
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s1, attempt 0, held', 'X8: to resume does not make it due');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'nor claimable');
select is(drip_test.report(c.claims, 'unknown'), 'held', 'to say again that nobody knows changes nothing') from c;
select is(drip_test.report(c.claims, 'sent', '{"occurred_at": "2026-03-02T09:00:30Z"}'), 'advanced', 'a late answer under its token settles it') from c;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s2, attempt 0, due 2026-04-03 09:00', 'and it goes on');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled held paused resumed sent', 'held once');
select is((
  select count(*) from drip_report.unknown_outcomes as u
  where u.organization_id = drip_test.org()
), 0::bigint, 'nothing is unknown any more');
select drip_test.no_violations();

select finish();
rollback;
