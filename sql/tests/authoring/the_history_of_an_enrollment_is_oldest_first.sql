begin;
select plan(4);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'one', 2);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'one', drip_test.contact(drip_test.org(), 'ann'), source => 'form');
select drip_test.at('2026-03-02 10:00Z');
select drip_test.settle('retry');
select drip_test.at('2026-03-02 11:00Z');
select drip_test.settle('sent');
select drip_test.at('2026-03-02 12:00Z');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select drip_core._ensure_profile('00000000-0000-0000-0000-00000000000a');
insert into drip_core.members (organization_id, profile_id, role, email) values (
  drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'admin', 'x@example.com'
);
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e'), 'on holiday');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$
    select h.type, h.step_key, h.occurred_at, h.channel_account_key
    from drip.enrollment_history(drip_test.org(), drip_test.kept('e')) as h
  $$,
  $$
    values
      ('enrolled', 's1', '2026-03-02 09:00Z'::timestamptz, null),
      ('attempt_failed', 's1', '2026-03-02 10:00Z', 'box'),
      ('sent', 's1', '2026-03-02 11:00Z', 'box'),
      ('paused', 's2', '2026-03-02 12:00Z', 'box')
  $$,
  'M5: each event in its own time, oldest first, with step and sender'
);
select is(
  (
    select (h.reason, h.actor_profile_id, h.data)::text from drip.enrollment_history(drip_test.org(), drip_test.kept('e')) as h
    where h.type = 'paused'
  ),
  '(manual,00000000-0000-0000-0000-00000000000a,"{""note"": ""on holiday""}")', 'G4: with reason, who did it, and what was said'
);
select matches(
  drip_test.error_of('select * from drip.enrollment_history(drip_test.org(), 0)'), '^PT404 \| enrollment not found', 'PT404: no history without an enrollment'
);
select * from finish();
rollback;
