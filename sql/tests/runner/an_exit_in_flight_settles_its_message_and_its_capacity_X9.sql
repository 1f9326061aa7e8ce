begin;
select plan(14);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 4}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4));
create temporary table c as select drip_test.claims(drip_test.org(), 4, '2 minutes') as claims;
select drip.hand_over(jsonb_build_array(c.claims -> 0, c.claims -> 2)) from c;
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c1'));
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c2'));
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c3'));
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c4'));
select is(drip_test.books(drip_test.org(), 'sales'), 'used 4: 4 leased, 0 held, 0 sent', 'the claims are not revoked');
select drip_test.no_violations('each claim can be found by its lease');

select drip_test.at('2026-03-02T09:02:00Z');
select is(
  drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 2, "messages_held": 2}',
  'X1: their leases expire as all others do'
);
select is(
  drip.tick() - 'counts_added_up' - 'partitions_made' - 'queues_probed', '{"leases_released": 0, "messages_held": 0}',
  'once'
);
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'paused s1, attempt 0, held', 'paused, and handed over: held');
select
  is(
    drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'paused s1, attempt 0, due 2026-03-02 09:00', 'paused, and not handed over: keeps its place'
  );
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c3')), 'removed s1, attempt 0', 'removed stays removed');
select is((
  select count(*) from drip_report.unknown_outcomes as u
  where u.organization_id = drip_test.org()
), 2::bigint, 'what may have left can be seen');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 2: 0 leased, 2 held, 0 sent', 'M6: the rest of the capacity is free');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'X9: nothing of them is claimed');
select is(drip_test.report(jsonb_build_array(c.claims -> 2)), 'advanced', 'a late answer for a removed one is recorded') from c;
select is(drip_test.events(drip_test.org(), drip_test.enrollment('c3')), 'enrolled removed held sent', 'as what happened');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 2: 0 leased, 1 held, 1 sent', 'M6: and keeps its place');
select drip_test.no_violations();

select finish();
rollback;
