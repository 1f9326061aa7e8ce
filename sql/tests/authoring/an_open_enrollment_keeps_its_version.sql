begin;
select plan(5);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.at('2026-03-02 09:00Z');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.keep('old', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.settle();
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [{"key": "only", "channel": "email", "subject": "New", "text": "New"}]}');
select drip_test.keep('new', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.contact(drip_test.org(), 'bob'));
select results_eq(
  $$ select e.enrollment_id, e.version, e.step_key, e.status from drip.list_enrollments(drip_test.org()) as e $$,
  $$ values (drip_test.kept('old'), 1, 's2', 'active'), (drip_test.kept('new'), 2, 'only', 'active') $$,
  'X8: who is under way keeps its version, who comes now has the new one'
);
select drip_test.at('2026-03-03 09:00Z');
select is(drip_test.settle(), '{"completed": 2}', 'X8: each goes to the end of its own version');
select is(
  drip.get_message(drip_test.org(), drip_test.kept('old'), 's2') ->> 'subject', 'Subject 2', 'X8: the old one was sent as published then'
);
select is(
  drip.get_message(drip_test.org(), drip_test.kept('new'), 'only') ->> 'subject', 'New', 'X8: the new one as published now'
);
select drip_test.no_violations();
select * from finish();
rollback;
