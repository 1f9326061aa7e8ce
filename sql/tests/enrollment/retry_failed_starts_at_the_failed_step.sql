begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 3);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('old', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann')) as e;
select drip_test.settle();
select drip_test.at('2026-03-03 09:00Z');
select is(drip_test.settle('rejected', extra => '{"reason": "rejected_content"}'), '{"failed": 1}', 'the second message is refused for its content');
select is(drip_test.state(drip_test.org(), drip_test.kept('old')), 'failed/rejected_content', 'the enrollment failed');
create temporary table before on commit drop as select e.* from drip_core.enrollments as e
where e.organization_id = drip_test.org();

select drip_test.at('2026-03-10 12:00Z');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(
  (
    select (r.enrollment_id = drip_test.kept('old'), drip_test.keep('new', r.new_enrollment_id) = r.enrollment_id, r.outcome)::text
    from drip.retry_failed(drip_test.org(), array[drip_test.kept('old')]) as r
  ),
  '(t,f,enrolled)', 'a new entry is made'
);
reset role;
select bag_eq(
  $$ select e.* from drip_core.enrollments as e where e.organization_id = drip_test.org() and e.id = drip_test.kept('old') $$,
  $$ select b.* from before as b $$,
  'H3: the failed one stays as it is'
);
select is(
  drip_test.place(drip_test.org(), drip_test.kept('new')), 'active s2, attempt 0, due 2026-03-10 12:00', 'the new one starts at the failed step, now'
);
select is(
  (
    select (e.entry_no, e.source, e.sender_ids = b.sender_ids, e.version = b.version)::text
    from drip_core.enrollments as e, before as b
    where e.organization_id = drip_test.org() and e.id = drip_test.kept('new')
  ),
  '(2,retry_failed,t,t)', 'with the same version and senders, as the next entry'
);
select drip_test.settle();
select drip_test.at('2026-03-11 12:00Z');
select is(drip_test.settle(), '{"completed": 1}', 'and goes on to the end');
select drip_test.no_violations();
select * from finish();
rollback;
