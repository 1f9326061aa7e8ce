begin;
select plan(7);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'one', 2);
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'one', drip_test.contact(drip_test.org(), 'ann'));
create temporary table before on commit drop as select e.next_step_at from drip_core.enrollments as e
where e.organization_id = drip_test.org();
select drip.set_sequence_status(drip_test.org(), 'one', 'paused');
select is(drip_test.settle(), '{}', 'C2: nothing of a paused sequence is claimed');
select is(
  (
    select e.next_step_at from drip_core.enrollments as e
    where e.organization_id = drip_test.org()
  ), (select next_step_at from before
  ),
  'C2: its enrollments keep their step and time'
);
select is(drip_test.events(drip_test.org(), drip_test.kept('e')), 'enrolled', 'C2: and write no event');
select is(
  (
    select q.is_open from drip_core.queues as q
    where q.organization_id = drip_test.org()
  ), false, 'C2: their queue is closed'
);
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'one', drip_test.contact(drip_test.org(), 'bob')) as e), 'sequence_not_active',
  'M9: a paused sequence enrolls nobody'
);
select drip.set_sequence_status(drip_test.org(), 'one', 'active');
select is(drip_test.settle(), '{"advanced": 1}', 'C2: after the pause the message goes out');
select drip_test.no_violations();
select * from finish();
rollback;
