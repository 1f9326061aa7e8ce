-- WhatsApp takes a free text for 24 hours after the person wrote to that number: outside, the step waits or is skipped.
begin;
select plan(19);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_cloud', '{"address": "+15550001111"}');
select drip_test.mailbox(drip_test.org(), 'box');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "bye", "status": "approved", "components": [{"type": "BODY", "text": "Bye"}]}');
select drip_test.email_sequence(drip_test.org(), 'waits', 1, '{"on_reply": "continue", "steps": [
  {"key": "s1", "channel": "whatsapp_cloud", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.email_sequence(drip_test.org(), 'skips', 1, '{"on_reply": "continue", "steps": [
  {"key": "s1", "channel": "whatsapp_cloud", "text": "Hi", "outside_session": "skip"}, {"key": "s2", "channel": "whatsapp_cloud", "template": "bye"}]}');
select drip_test.email_sequence(drip_test.org(), 'last', 1, '{"on_reply": "continue", "steps": [
  {"key": "s1", "channel": "whatsapp_cloud", "text": "Hi", "outside_session": "skip"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4915112345678", "first_name": "Ann"}'));
create function pg_temp.heard(p_from text, p_id text, p_to text default '15550001111', p_headers jsonb default '{}')
returns void
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'whatsapp_cloud', 'from_address', p_from, 'to_address', p_to, 'text', 'Hello', 'external_id', p_id, 'headers', p_headers));
$$;
create function pg_temp.wait_reason()
returns text
language sql
as $$
  select e.wait_reason::text from drip_core.enrollments as e where e.id = drip_test.enrollment('ann', 'waits');
$$;

select drip_test.enrolled(drip_test.org(), 'waits', array[drip_test.kept('ann')]);
select is(drip_test.settle(), '{}', 'outside the session nothing is sent');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')) || ', ' || pg_temp.wait_reason(), 'active s1, attempt 0, due 2026-03-02 10:00, session_closed',
  'C2, X3: it waits with its reason, and leaves the due set'
);
select is(
  (
    select w.verdict from drip.why(drip_test.org(), drip_test.enrollment('ann')) as w
    where w.rule = 'eligibility'
  ), 'session_closed', 'why says so'
);
select drip_test.at('2026-03-02T09:20:00Z');
select pg_temp.heard('+4915112345678', 'in-0', '+15550009999');
select drip_test.phone_line(drip_test.org(), 'other', 'whatsapp_cloud', '{"address": "+1 555 0009999"}');
select is(drip_test.settle(), '{}', 'what was written to another number of ours opens no session with this one');
select drip_test.at('2026-03-02T09:30:00Z');
select pg_temp.heard('+4915112345678', 'in-1');
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active s1, attempt 0, due 2026-03-02 09:30', 'who writes opens it: the text is due at once'
);
select is(
  (
    select (c.text_body, c.template, c.to_address)::text from drip.claim(organization_id => drip_test.org()) as c
  ), '("Hi Ann",,+4915112345678)', 'a free text: no template'
);
-- the provider knows better: the database waits, and burns no attempt
select is(
  drip_test.report(
    (
      select jsonb_agg(jsonb_build_object('organization_id', e.organization_id, 'enrollment_id', e.id, 'claim_token', e.claim_token))
      from drip_core.enrollments as e
      where e.id = drip_test.enrollment('ann')
    ), 'retry', '{"reason": "session_closed", "error_code": "131047"}'
  ), 'deferred', 'C2: refused for its session, it is deferred'
);
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')) || ', ' || pg_temp.wait_reason(), 'active s1, attempt 0, due 2026-03-02 09:45, session_closed',
  'C2: with its attempts as they were'
);
select is(drip_test.books(drip_test.org(), 'line'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: and gives its capacity back');
select drip_test.at('2026-03-03T09:29:59Z');
select is(drip_test.settle(), '{"completed": 1}', 'within 24 hours it goes out');

select drip_test.at('2026-03-03T09:30:00Z');
select drip_test.enrolled(drip_test.org(), 'skips', array[drip_test.kept('ann')]);
select drip_test.enrolled(drip_test.org(), 'last', array[drip_test.kept('ann')]);
select drip_test.settle();
select is(drip_test.settle(), '{"completed": 1}', 'after them, a step that does not wait is skipped, and the next one is sent');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('ann', 'skips')), 'enrolled skipped sent completed', 'G4: one skip');
select is(
  (
    select v.reason::text from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type = 'skipped'
  ), 'session_missed', 'G4: with its reason'
);
select is(
  drip_test.state(drip_test.org(), drip_test.enrollment('ann', 'last')), 'completed/session_missed',
  'where it was the last one, the enrollment is complete'
);

-- who writes by an id that WhatsApp gave, once both were seen
select pg_temp.heard('+4915112345678', 'in-2', p_headers => '{"X-User-Id": "DE.1349"}');
select drip_test.at('2026-03-10T09:00:00Z');
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"phone": "+4915112345679", "first_name": "Bob"}'));
select drip_test.email_sequence(drip_test.org(), 'again', 1, '{"on_reply": "continue",
      "steps": [{"key": "s1", "channel": "whatsapp_cloud", "text": "Hi again"}]}');
select drip_test.enrolled(drip_test.org(), 'again', array[drip_test.kept('ann'), drip_test.kept('bob')]);
select is(drip_test.settle(), '{}', 'the session has closed');
select pg_temp.heard('DE.1349', 'in-3');
select is(drip_test.settle(), '{"completed": 1}', 'an id stands for its number');
select is(
  (
    select array_agg(i.contact_id) = array[drip_test.kept('ann')] from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and i.external_id = 'in-3'
  ), true, 'and for its person'
);
select drip.erase_contact(drip_test.org(), drip_test.kept('ann'));
select is(
  (
    select count(*) from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and (i.headers::text like '%1349%' or i.from_address like '%1349%')
  ), 0::bigint, 'X7: an erasure leaves no id'
);
select drip_test.no_violations();
select * from finish();
rollback;
