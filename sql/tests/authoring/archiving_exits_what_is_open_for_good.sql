begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'one', 2);
select drip_test.email_sequence(drip_test.org(), 'other', 2);
select drip_test.keep('e' || row_number() over (), enrollment_id) from drip.enroll_many(drip_test.org(), 'one', drip_test.contacts(drip_test.org(), 3));
select drip_test.keep('o', enrollment_id) from drip.enroll(drip_test.org(), 'other', drip_test.contact(drip_test.org(), 'ann'));
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'));
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e3'));
select drip.set_sequence_status(drip_test.org(), 'one', 'archived');
select is(drip_test.state(drip_test.org(), drip_test.kept('e1')), 'exited/sequence_archived', 'an active enrollment exits');
select is(drip_test.state(drip_test.org(), drip_test.kept('e2')), 'exited/sequence_archived', 'a paused one exits');
select is(drip_test.state(drip_test.org(), drip_test.kept('e3')), 'removed/manual', 'H3: one that has ended stays as it is');
select is(drip_test.state(drip_test.org(), drip_test.kept('o')), 'active/-', 'other sequences go on');
select is(drip_test.events(drip_test.org(), drip_test.kept('e2')), 'enrolled paused exited', 'with one event');
select is(drip_test.settle(), '{"advanced": 1}', 'X9: nothing of it is claimed any more');
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'one', drip_test.contact(drip_test.org(), 'new')) as e), 'sequence_not_active',
  'M9: an archived sequence enrolls nobody'
);
select is(
  (select a.status || a.version from drip.apply_sequence(drip_test.org(), drip_test.email_definition('one', 3)) as a), 'archived2',
  'publishing does not wake it'
);
select drip_test.no_violations();
select * from finish();
rollback;
