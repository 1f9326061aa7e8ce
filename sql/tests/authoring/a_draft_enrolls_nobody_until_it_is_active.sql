begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select is(
  (select (a.version, a.status)::text from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 1, '{"status": "draft"}')) as a),
  '(1,draft)', 'a first publication can be a draft'
);
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'welcome', drip_test.kept('ann')) as e), 'sequence_not_active', 'M9: a draft enrolls nobody'
);
select is(
  (select (a.version, a.status)::text from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2)) as a),
  '(2,draft)', 'publishing without a status leaves it a draft'
);
select is(
  (select (a.version, a.status)::text from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 2, '{"status": "active"}')) as a),
  '(2,active)', 'publishing with a status changes it, not the version'
);
select is(
  (select e.outcome::text from drip.enroll(drip_test.org(), 'welcome', drip_test.kept('ann')) as e), 'enrolled', 'an active one enrolls'
);
select drip_test.no_violations();
select * from finish();
rollback;
