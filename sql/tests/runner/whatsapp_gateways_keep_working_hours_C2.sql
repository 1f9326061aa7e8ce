-- Where nobody said when, messages of a WhatsApp gateway leave Monday to Friday, 9 to 18, where the contact is.
begin;
select plan(12);

select drip_test.at('2026-03-07T12:00:00Z');
select drip_test.organization('Acme', 'America/New_York');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line', settings => '{"min_gap": null, "max_gap": null}');
select drip_test.email_sequence(drip_test.org(), 'mixed', 1, '{"steps": [
  {"key": "mail", "channel": "email", "subject": "Hi", "text": "Hi"},
  {"key": "chat", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"},
  {"key": "late", "channel": "email", "delay": "10 hours", "subject": "Hi", "text": "Hi"}]}');
select drip_test.email_sequence(drip_test.org(), 'chat', 1, '{"steps": [{"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.email_sequence(drip_test.org(), 'night', 1, '{"window": {"days": ["sat"], "start": "00:00", "end": "24:00"},
  "steps": [{"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456", "first_name": "Ann"}');
select drip_test.contact(drip_test.org(), 'eve', '{"phone": "+4930123457", "first_name": "Eve", "timezone": "Europe/Berlin"}');
create function pg_temp.enroll(p_who text, p_key text) returns bigint language sql as $$
  select r.enrollment_id from drip.list_contacts(drip_test.org(), p_who || '@') as c
  cross join lateral drip.enroll(drip_test.org(), p_key, c.contact_id) as r;
$$;
create function pg_temp.why(p_id bigint, p_rule text) returns text language sql as $$
  select w.verdict || ': ' || w.detail from drip.why(drip_test.org(), p_id) as w where w.rule = p_rule;
$$;

select drip_test.keep('mixed', pg_temp.enroll('ann', 'mixed'));
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 1}', 'an email leaves on a Saturday');
select
  is(
    drip_test.place(drip_test.org(), drip_test.kept('mixed')), 'active chat, attempt 0, due 2026-03-09 13:00', 'the message after it on Monday at 9 in New York'
  );
select is(
  (
    select e.wait_reason::text from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.id = drip_test.kept('mixed')
  ), null, 'planned there when the email was settled: no claim had to put it off'
);
select drip_test.keep('chat', pg_temp.enroll('eve', 'chat'));
select is(drip_test.place(drip_test.org(), drip_test.kept('chat')), 'active s1, attempt 0, due 2026-03-09 08:00', 'or in Berlin, where the contact is');
select drip_test.keep('night', pg_temp.enroll('ann', 'night'));
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'a window of the sequence is its own');

select drip_test.at('2026-03-09T23:00:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'C2: what missed its hours waits');
select is(
  pg_temp.why(drip_test.kept('mixed'), 'window'),
  'passes: open at 2026-03-10 13:00:00+00 (America/New_York, working hours: no window is defined)', 'and drip.why says so'
);
select is(
  (
    select e.wait_reason::text from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.id = drip_test.kept('mixed')
  ), 'window_closed', 'with the reason'
);
select drip.update_organization(drip_test.org(), '{"holidays": ["2026-03-10"]}');
select is(drip_test.place(drip_test.org(), drip_test.kept('mixed')), 'active chat, attempt 0, due 2026-03-11 13:00', 'holidays count');
select drip_test.at('2026-03-11T13:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1, "advanced": 1}', 'then they leave');
select is(drip_test.place(drip_test.org(), drip_test.kept('mixed')), 'active late, attempt 0, due 2026-03-11 23:00', 'an email keeps no hours');
select drip_test.at_all_times(drip_test.org());
select drip_test.at('2026-03-14T03:00:00Z');
select drip_test.contact(drip_test.org(), 'bob', '{"phone": "+4930123458", "first_name": "Bob"}');
select pg_temp.enroll('bob', 'chat');
select is(drip_test.settle('sent', drip_test.org()) ->> 'completed', '2', 'a default window of the organization takes their place');
select * from finish();
rollback;
