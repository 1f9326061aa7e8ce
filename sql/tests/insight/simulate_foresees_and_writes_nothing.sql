begin;
select plan(13);

-- a Friday
select drip_test.at('2026-03-06T15:00:00Z');
select drip_test.organization('Acme', 'Europe/Berlin');
select drip_test.mailbox(drip_test.org(), 'box', '{"daily_limit": 3}');
select drip_test.email_sequence(drip_test.org(), 'w', 2, '{"status": "draft", "window": {"days": ["mon", "fri"], "start": "09:00", "end": "17:30"}}');
select drip_test.contacts(drip_test.org(), 4);
select drip_test.contact(drip_test.org(), 'out', '{"consent": {"email": "opted_out"}}');
create function pg_temp.foreseen(contact_ids bigint[], days int) returns text language sql as $$
  select string_agg(concat_ws(' ', to_char(s.day, 'MM-DD'), s.channel_account_key, s.sent, s.deferred, s.ended, s.reason), e'\n' order by s.ordinality)
  from drip.simulate(drip_test.org(), 'w', foreseen.contact_ids, foreseen.days) with ordinality as s;
$$;

select is(pg_temp.foreseen(null, 8), '03-06 0 0 1 opted_out
03-06 box 3 0 0
03-06 box 0 1 0 daily_limit
03-07 box 0 1 0 window_closed
03-08 box 0 1 0 window_closed
03-09 box 3 0 3
03-09 box 0 1 0 daily_limit
03-10 box 0 1 0 window_closed
03-11 box 0 1 0 window_closed
03-12 box 0 1 0 window_closed
03-13 box 1 0 0', 'X8: every contact, where nobody is enrolled, also of a draft');
select is(pg_temp.foreseen('{}', 8), null, 'nobody: nothing happens');
select is((
  select count(*) from drip_core.organizations as o
  where o.id > drip_test.org()
), 0::bigint, 'no shadow stays');
select is((
  select count(*) from drip_core.enrollments as e
  where e.organization_id >= drip_test.org()
), 0::bigint, 'nobody was enrolled');
select is((select count(*) from drip_core.simulations), 0::bigint, 'no simulation stays');
select is(drip_core.now(), '2026-03-06T15:00:00Z'::timestamptz, 'the clock is as it was');
select is(coalesce(current_setting('drip.simulation', true), ''), '', 'and so is the session');

-- an application login, on the real clock; who is enrolled goes on
select drip.set_sequence_status(drip_test.org(), 'w', 'active');
select
  drip_test.enrolled(drip_test.org(), 'w', array(
    select c.id from drip_core.contacts as c
    where c.organization_id = drip_test.org()
  ), now() + interval '9 years');
select drip_test.at(null);
create role drip_test_app login in role drip_app;
grant usage on schema drip_test to drip_test_app;
set local session authorization drip_test_app;
select is((select sum(s.sent) from drip.simulate(drip_test.org(), 'w') as s), null, 'a login without power over the clock: not due for a long time');
select is(
  (select sum(s.sent) from drip.simulate(drip_test.org(), 'w', array(select l.contact_id from drip.list_contacts(drip_test.org()) as l)) as s), 0::numeric,
  'who is enrolled already is not enrolled again'
);
select alike(drip_test.error_of('select drip.simulate(drip_test.org(), ''w'', null, 0)'), 'PT422 | invalid number of days | days: 0', 'PT422');
select alike(drip_test.error_of('select drip.simulate(drip_test.org(), ''x'')'), 'PT404 | sequence not found%', 'PT404');
select is(
  (
    select string_agg(s.sequence_key, ' ') from drip.list_enrollments(drip_test.org()) as s
    where s.status <> 'active'
  ), null, 'all wait as before'
);
reset session authorization;

-- three minutes before midnight somebody is enrolled whose lane has been looked at and found empty
select drip_test.at('2026-03-06T22:57:00Z');
select drip_test.mailbox(drip_test.org(), 'late');
select drip_test.email_sequence(drip_test.org(), 'late', 1, '{"senders": [{"account": "late"}]}');
select drip_test.enrolled(drip_test.org(), 'late', array[drip_test.contact(drip_test.org(), 'early')]);
select drip_test.report(drip_test.claims(drip_test.org()), 'sent');
select drip_test.claims(drip_test.org());
select drip_test.enrolled(drip_test.org(), 'late', array[drip_test.contact(drip_test.org(), 'late')]);
select is(
  (select string_agg(concat_ws(' ', to_char(s.day, 'MM-DD'), s.sent), e'\n') from drip.simulate(drip_test.org(), 'late', null, 2) as s),
  '03-06 1', 'what its lane has not seen yet leaves at once, as it would'
);

select finish();
rollback;
