begin;
select plan(16);

-- a Friday
select drip_test.at('2026-03-06T15:00:00Z');
select drip_test.organization('Acme', 'Europe/Berlin');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 3}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"window":
  {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:30", "timezone": "contact", "holidays": ["2026-03-10"]}}');
select drip_test.contacts(drip_test.org(), 5);
select drip_test.contact(drip_test.org(), 'tokyo', '{"timezone": "Asia/Tokyo"}');
select drip_test.contact(drip_test.org(), 'york', '{"timezone": "America/New_York"}');
create temporary table e as select unnest(drip_test.enrolled(drip_test.org(), 'welcome', array(
  select c.id from drip_core.contacts as c
  where c.organization_id = drip_test.org()
  order by c.id
))) as id;

select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 0, due 2026-03-06 15:00', 'open in Berlin: due at once');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('york')), 'active s1, attempt 0, due 2026-03-06 15:00', 'open in New York');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('tokyo')), 'active s1, attempt 0, due 2026-03-09 00:00', 'X5: in Tokyo it is Saturday');

select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 3}', 'as many as the limit go out');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s2, attempt 0, due 2026-03-09 08:00',
  'the next step, a day later, is on a Saturday: it waits for Monday 09:00'
);
select is(drip.next_due_at(), '2026-03-06T23:00:00Z', 'the others wait for the midnight of their sender');

select drip_test.at('2026-03-06T23:00:00Z');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'then the window is closed: nothing is claimed');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('c5')), 'active s1, attempt 0, due 2026-03-09 08:00',
  'C2: what missed its window waits for the next opening, step and attempt as they were'
);
select is(drip_test.place(drip_test.org(), drip_test.enrollment('york')), 'active s1, attempt 0, due 2026-03-09 13:00', 'in its own time zone');
select is(
  array(
    select distinct en.wait_reason::text from drip_core.enrollments as en inner join e on en.id = e.id
    where en.wait_reason is not null
  ),
  array['window_closed'], 'and it says why'
);
select is(drip.next_due_at(), '2026-03-09T00:00:00Z', 'Tokyo opens first');

select drip_test.at('2026-03-09T00:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 1}', 'where it is Monday morning it goes out');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('tokyo')), 'active s2, attempt 0, due 2026-03-11 00:00',
  'Tuesday is a holiday: the next step waits for Wednesday'
);
select is(
  (
    select en.wait_reason::text from drip_core.enrollments as en
    where en.organization_id = drip_test.org() and en.id = drip_test.enrollment('tokyo')
  ),
  null, 'a step that waits for its time has not been put off'
);
select drip_test.at('2026-03-09T13:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'and later the others, as many as the limit');
select drip_test.no_violations();

select finish();
rollback;
