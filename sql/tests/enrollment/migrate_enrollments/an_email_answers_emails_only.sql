begin;
select plan(3);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [
  {"key": "one", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "1"},
  {"key": "two", "channel": "email", "delay": "1 day", "subject": "Two", "text": "2"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456"}')]);
select drip_test.settle();
select drip_test.at('2026-03-03 09:00Z');
select drip_test.settle();
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [
  {"key": "one", "channel": "email", "subject": "Hi", "delay": "0", "text": "1"},
  {"key": "two", "channel": "email", "delay": "1 day", "thread": true, "text": "2"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3"}]}');
select is(m.to_step, 'three', 'ann moves to a version whose thread starts with what was no email')
from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) as m;
select drip_test.at('2026-03-05 09:00Z');
select is(c.headers -> 'References', null, 'an email never refers to a message of another channel')
from drip.claim(organization_id => drip_test.org()) as c;
select drip_test.no_violations();
select finish();
rollback;
