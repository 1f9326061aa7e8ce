begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2, '{"reentry": "when_finished"}');
select drip_test.email_sequence(drip_test.org(), 'old', 1);
select drip_test.keep('e' || row_number() over (), e.enrollment_id)
from drip.enroll_many(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 3)) as e;
select drip_test.keep('e4', e.enrollment_id) from drip.enroll(drip_test.org(), 'old', drip_test.contact(drip_test.org(), 'ann')) as e;
select drip_test.settle('rejected', extra => '{"reason": "rejected_policy"}');
-- the second came back by itself and failed again: only its last entry can be retried
select drip_test.keep('e2b', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', (
    select x.contact_id from drip.list_enrollments(drip_test.org()) as x
    where x.enrollment_id = drip_test.kept('e2')
  )) as e;
select drip_test.settle('rejected', extra => '{"reason": "rejected_policy"}');
select drip_test.keep('e5', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'bob')) as e;
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e5'));
select drip.set_sequence_status(drip_test.org(), 'old', 'paused');
select results_eq(
  $$
    select r.enrollment_id, r.outcome, r.new_enrollment_id is not null
    from drip.retry_failed(drip_test.org(), array[drip_test.kept('e1'), drip_test.kept('e2'), drip_test.kept('e4'), drip_test.kept('e5'), 0, drip_test.kept('e1')]) as r
  $$,
  $$
    values (drip_test.kept('e1'), 'enrolled', true), (drip_test.kept('e2'), 'superseded', false), (drip_test.kept('e4'), 'sequence_not_active', false),
      (drip_test.kept('e5'), 'not_failed', false), (0, 'not_found', false)
  $$,
  'M9: one typed answer per distinct id, in order'
);
select results_eq(
  $$
    select r.outcome, r.new_enrollment_id = (select max(x.enrollment_id) from drip.list_enrollments(drip_test.org()) as x)
    from drip.retry_failed(drip_test.org(), array[drip_test.kept('e1')]) as r
  $$,
  $$ values ('already_active', true) $$, 'H3: a repeat names the entry that is open'
);
select is(
  (select outcome from drip.retry_failed(drip_test.org(), array[drip_test.kept('e2b')])), 'enrolled', 'the last entry of the second can be retried'
);
select is((select count(*) from drip.retry_failed(drip_test.org(), '{}')), 0::bigint, 'nobody is nobody');
select matches(drip_test.error_of('select * from drip.retry_failed(drip_test.org(), null)'), '^PT422 \| invalid enrollment_ids', 'PT422: null is no list');
select drip_test.no_violations();
select * from finish();
rollback;
