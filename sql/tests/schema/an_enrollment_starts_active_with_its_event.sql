begin;
select plan(4);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.kept('ann'), source => 'form');
select is(drip_test.events(drip_test.org(), drip_test.kept('e')), 'enrolled', 'C1: a new enrollment has exactly its enrolled event');
select is(
  (
    select (v.contact_id, v.data ->> 'source', v.occurred_at = e.enrolled_at)::text
    from drip_core.events as v
    inner join drip_core.enrollments as e on v.organization_id = e.organization_id and v.enrollment_id = e.id
    where v.organization_id = drip_test.org() and v.enrollment_id = drip_test.kept('e')
  ),
  (drip_test.kept('ann'), 'form', true)::text,
  'M5: the event knows contact, source and its own time'
);
select throws_ok(
  format(
    $$
      insert into drip_core.enrollments (organization_id, sequence_id, version, contact_id, entry_no, status, sender_ids, source)
      select organization_id, sequence_id, version, %s, 1, 'completed', sender_ids, 'test'
      from drip_core.enrollments where organization_id = %s and id = %s
    $$, drip_test.kept('bob'), drip_test.org(), drip_test.kept('e')
  ),
  'PT409', 'an enrollment starts as active', 'C1: no enrollment starts in another status'
);
select drip_test.no_violations('C1: status and last event agree');
select * from finish();
rollback;
