begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization('Acme', 'UTC');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 3}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
create temporary table e as select unnest(drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 8))) as id;

select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'as many as the limit go out');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'then none');
select is(
  array(
    select distinct drip_test.place(drip_test.org(), e.id) from e
    where drip_test.state(drip_test.org(), e.id) = 'active/-'
  ),
  array['active s1, attempt 0, due 2026-03-02 09:00'], 'C2: the others keep step, attempt and place in the line'
);
select is(s.reason || ' ' || s.sent_today || '/' || s.effective_limit || ' ' || s.waiting, 'daily_limit 3/3 5', 'the lane says why')
from drip_report.lane_status as s
where s.organization_id = drip_test.org();
select is(drip.next_due_at(), '2026-03-03T00:00:00Z', 'it goes on at midnight');

select drip_test.at('2026-03-03T00:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 3}', 'the next day has a limit of its own');
select drip_test.at('2026-03-04T00:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'C2: every message goes out in the end');
select is(drip.next_due_at(), null, 'and nothing waits');
select drip_test.no_violations();

select finish();
rollback;
