begin;
select plan(16);

-- a Monday
select drip_test.at('2026-03-02T10:00:00Z');
select drip_test.organization('Acme', 'Europe/London');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip.apply_sequence(drip_test.org(), '{"key": "w", "window": {"start": "09:00", "end": "17:00", "timezone": "contact"}, "steps": [
  {"key": "s1", "channel": "email", "delay": "next day at 09:30 local", "subject": "S", "text": "T"}]}');
select drip.apply_sequence(drip_test.org(), '{"key": "h", "steps": [
  {"key": "s1", "channel": "email", "delay": "30 hours", "subject": "S", "text": "T"}]}');
select drip.apply_sequence(drip_test.org(), '{"key": "b", "steps": [
  {"key": "s1", "channel": "email", "delay": "2 business days", "subject": "S", "text": "T"}]}');
select drip_test.contact(drip_test.org(), 'ann');
select
  drip_test.enrolled(drip_test.org(), k.key, array(
    select c.id from drip_core.contacts as c
    where c.organization_id = drip_test.org()
  ))
from unnest(array['w', 'h', 'b']) as k (key);
create function pg_temp.due(sequence_key text) returns text language sql as $$
  select to_char(e.next_step_at at time zone 'UTC', 'MM-DD HH24:MI') || coalesce(' ' || e.wait_reason, '')
  from drip_core.enrollments as e
  where e.organization_id = drip_test.org() and e.id = drip_test.enrollment('ann', due.sequence_key);
$$;

select is(pg_temp.due('w'), '03-03 09:30', 'tomorrow at 09:30 in London');
select is(pg_temp.due('h'), '03-03 16:00', '30 hours later');
select is(pg_temp.due('b'), '03-04 10:00', 'two business days later');

select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "timezone": "America/New_York"}');
select is(pg_temp.due('w'), '03-03 14:30', 'her 09:30 is that of New York now');
select is(pg_temp.due('h'), '03-03 16:00', 'hours elapse anywhere');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "timezone": "Asia/Tokyo"}');
select is(pg_temp.due('w'), '03-03 00:30', 'that of Tokyo: earlier');
select is(drip.next_due_at(), '2026-03-03 00:30Z', 'and the lanes know');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "timezone": null}');
select is(pg_temp.due('w'), '03-03 09:30', 'back again');

select drip.update_organization(drip_test.org(), '{"holidays": ["2026-03-03"]}');
select is(pg_temp.due('w'), '03-04 09:00', 'on a holiday nothing is sent: the next opening');
select is(pg_temp.due('h'), '03-04 00:00', 'nor without a window');
select is(pg_temp.due('b'), '03-05 10:00', 'and it is no business day');
select drip.update_organization(drip_test.org(), '{"holidays": null}');
select is(pg_temp.due('w') || ', ' || pg_temp.due('h') || ', ' || pg_temp.due('b'), '03-03 09:30, 03-03 16:00, 03-04 10:00', 'no holiday after all');

select drip.update_organization(drip_test.org(), '{"default_window": {"days": ["thu"], "start": "08:00", "end": "20:00"}}');
select is(pg_temp.due('w') || ', ' || pg_temp.due('h'), '03-03 09:30, 03-05 08:00', 'a default window is for sequences without one');

-- in flight it stays, paused it moves
select drip.update_organization(drip_test.org(), '{"default_window": null}');
select drip_test.at('2026-03-03T16:00:00Z');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 2::bigint, 'both are due');
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('ann', 'b'));
select drip.update_organization(drip_test.org(), '{"holidays": ["2026-03-04", "2026-03-03"]}');
select is(pg_temp.due('h') || ', ' || pg_temp.due('b'), '03-03 16:00, 03-06 10:00', 'what is in flight stays, what is paused moves');
select drip_test.no_violations();

select finish();
rollback;
