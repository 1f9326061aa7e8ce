begin;
select plan(7);

-- a Friday
select drip_test.at('2026-03-06T12:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.phone_line(drip_test.org(), 'line', settings => '{"min_gap": "1 minute", "max_gap": "1 minute"}');
select drip.apply_sequence(drip_test.org(), '{"key": "w", "window": {"start": "09:00", "end": "17:00", "timezone": "contact", "days": ["mon", "fri"]},
  "steps": [{"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "x"}]}');
select drip_test.contacts(drip_test.org(), 300, 'c', '{"email": null, "phone": "+49301100000"}');
select drip.upsert_contact(drip_test.org(), '{"external_id": "c300", "timezone": "America/New_York"}');
create temporary table e as
select unnest(drip_test.enrolled(drip_test.org(), 'w', array(
  select c.id from drip_core.contacts as c
  where c.organization_id = drip_test.org()
  order by c.id
))) as id;
select is(drip_test.report(drip_test.claims(drip_test.org())), 'completed', 'a sender with a gap sends one');

select drip_test.at('2026-03-06T17:00:00Z');
select is(
  (select array_agg(m.enrollment_id = drip_test.enrollment('c300')) from drip.claim(100, organization_id => drip_test.org()) as m),
  array[true], 'the one whose window is open goes out though 298 closed ones come before it'
);
select is(
  (
    select count(*) from drip_core.enrollments as en inner join e on en.id = e.id
    where en.wait_reason = 'window_closed' and en.next_step_at = '2026-03-09T09:00:00Z'
  ),
  298::bigint, 'all others have moved on'
);
select is((select max(en.attempt) from drip_core.enrollments as en inner join e on en.id = e.id), 0::smallint, 'C2: no attempt burned');
select is(
  array(
    select distinct s.key
    from drip_core.enrollments as en
    inner join e on en.id = e.id
    inner join drip_core.steps as s on en.organization_id = s.organization_id and en.step_id = s.id
    where en.status = 'active'
  ),
  array['s1'], 'C2: and no step'
);
select is(
  (
    select count(*) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type not in ('enrolled', 'sent', 'completed')
  ),
  0::bigint, 'nothing happened to them'
);
select drip_test.no_violations();

select finish();
rollback;
