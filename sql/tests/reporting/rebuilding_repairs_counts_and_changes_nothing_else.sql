begin;
select plan(9);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.settle('sent', drip_test.org());

select is(drip.rebuild_rollups(null, drip_test.org()), 0::bigint, 'what is right is not corrected');
select ok(drip.tick() ? 'counts_added_up', 'the tick adds up what facts have changed');
select is_empty($$ select from drip_core.report_deltas where organization_id = drip_test.org() $$, 'all of it');
select ok(not drip.tick() ? 'counts_added_up', 'and then there is nothing to do');
select is(drip.rebuild_rollups(null, drip_test.org()), 0::bigint, 'what was added up is right');

update drip_core.report_cells set enrolled = 9, messages_sent = 0
where organization_id = drip_test.org() and scope = 'cohort';
select is(drip.rebuild_rollups('2026-03-03', drip_test.org()), 0::bigint, 'days before the given one are left alone');
select is(drip.rebuild_rollups('2026-03-02', drip_test.org()), 1::bigint, 'what differs is corrected: one cohort');
select is((
  select enrolled || ' ' || messages_sent from drip_report.cohorts
  where organization_id = drip_test.org()
), '3 3', 'and is shown at once');
select is(
  drip_test.error_of($$ select drip.rebuild_rollups(null, -1) $$),
  'PT404 | organization not found | organization_id: -1',
  'an organization that there is not is not found'
);
select * from finish();
rollback;
