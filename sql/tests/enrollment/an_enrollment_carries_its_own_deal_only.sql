begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'deals', 1, '{"steps": [{"key": "a", "channel": "email", "subject": "x", "text": "About {{ deal.name }}"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('first', drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "ann", "name": "First"}'));
select drip_test.keep('second', drip.upsert_deal(drip_test.org(), '{"external_id": "d2", "contact_external_id": "ann", "name": "Second"}'));
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'deals', drip_test.kept('ann')) as e), 'missing_field',
  'M9: without a deal its fields are missing, whatever deals the contact has'
);
select matches(
  drip_test.error_of('select * from drip.enroll(drip_test.org(), ''deals'', drip_test.kept(''bob''), drip_test.kept(''first''))'),
  '^PT404 \| deal not found \| deal_id: \d+, contact_id: \d+$', 'H2: a deal of another contact is not found'
);
select matches(
  drip_test.error_of('select * from drip.enroll(drip_test.org(), ''deals'', drip_test.kept(''ann''), 0)'), '^PT404 \| deal not found',
  'PT404: nor is one that there is not'
);
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'deals', drip_test.kept('ann'), drip_test.kept('first')) as e), 'enrolled', 'its own deal is taken'
);
select is((select e.deal_id from drip.list_enrollments(drip_test.org()) as e), drip_test.kept('first'), 'and kept with the enrollment');
select drip_test.settle();
select is(
  (select drip_test.without_footer(drip.get_message(drip_test.org(), e.enrollment_id, 'a') ->> 'text_body') from drip.list_enrollments(drip_test.org()) as e),
  'About First', 'deal.* means that deal, not the newest'
);
select * from finish();
rollback;
