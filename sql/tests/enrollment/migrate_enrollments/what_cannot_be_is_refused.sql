begin;
select plan(10);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.keep('e', (drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 1)))[1]);
select drip_test.email_sequence(drip_test.org(), 'welcome', 3);
select is(drip_test.error_of(format('select drip.migrate_enrollments(drip_test.org(), %s)', c.arguments)), c.expected, c.expected)
from (
  values
  ($$'nothing', 2, false$$, 'PT404 | sequence not found | sequence_key: nothing'),
  ($$null, 2, false$$, 'PT404 | sequence not found | sequence_key: null'),
  ($$'welcome', 3, false$$, 'PT404 | version not found | sequence_key: welcome, version: 3'),
  ($$'welcome', 3, true$$, 'PT404 | version not found | sequence_key: welcome, version: 3'),
  ($$'welcome', null, false$$, 'PT404 | version not found | sequence_key: welcome, version: null'),
  ($$'welcome', 2, null$$, 'PT422 | invalid dry_run | dry_run: null')
) as c (arguments, expected);
-- a version that is not the newest is as good as any
select results_eq(
  $$
    select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false)
    union all select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 1, false)
  $$,
  $$ values ('s1', 's1', 1::bigint), ('s1', 's1', 1) $$,
  'there, and back again'
);
select is(drip_test.events(drip_test.org(), drip_test.kept('e')), 'enrolled migrated migrated', 'with an event each time');
select drip.set_sequence_status(drip_test.org(), 'welcome', 'archived');
select is(
  drip_test.error_of('select drip.migrate_enrollments(drip_test.org(), ''welcome'', 2)'),
  'PT409 | an archived sequence has no open enrollments | sequence_key: welcome', 'PT409: an archived sequence'
);
select drip_test.no_violations();
select finish();
rollback;
