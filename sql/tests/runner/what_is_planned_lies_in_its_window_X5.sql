begin;
select plan(12);

-- a Thursday
select drip_test.at('2026-03-05T16:50:00Z');
select drip_test.organization('Acme', 'UTC');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'w', 2, '{"window": {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}}');
select drip_test.email_sequence(drip_test.org(), 'open', 2);
select drip_test.enrolled(drip_test.org(), 'w', drip_test.contacts(drip_test.org(), 4));
select drip_test.enrolled(drip_test.org(), 'open', array[drip_test.contact(drip_test.org(), 'late')], '2026-03-07T12:00:00Z');
create temporary table k as select drip_test.claims(drip_test.org(), 4) as claims;

select is(drip_test.report(jsonb_build_array(k.claims -> 0), 'retry'), 'retry_scheduled', 'C2: a retry') from k;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s1, attempt 1, due 2026-03-05 16:55', 'five minutes later, still open');
select is(drip_test.report(jsonb_build_array(k.claims -> 1), 'retry', '{"retry_at": "2026-03-05T17:00:00Z"}'), 'retry_scheduled', 'another') from k;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 1, due 2026-03-06 09:00', 'C2: closed by then: the next opening');
select is(drip_test.report(jsonb_build_array(k.claims -> 2), 'sent'), 'advanced', 'sent') from k;
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c3')), 'active s2, attempt 0, due 2026-03-06 16:50', 'a day later is open');

-- a step that is skipped
select drip.apply_sequence(drip_test.org(), '{"key": "skip", "window": {"days": ["mon"], "start": "10:00", "end": "11:00"}, "steps": [
  {"key": "chat", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "x"}, {"key": "mail", "channel": "email", "delay": "1 hour", "subject": "S", "text": "T"}]}')
from (select drip_test.phone_line(drip_test.org(), 'line')) as l;
select drip_test.enrolled(drip_test.org(), 'skip', drip_test.contacts(drip_test.org(), 1, 's'));
select is(drip_test.place(drip_test.org(), drip_test.enrollment('s1')), 'active chat, attempt 0, due 2026-03-09 10:00', 'on Monday');
select drip_test.at('2026-03-09T10:00:00Z');
select drip_test.settle('sent', drip_test.org());
select is(drip_test.place(drip_test.org(), drip_test.enrollment('s1')), 'active mail, attempt 0, due 2026-03-16 10:00', 'the step after a skipped one, too');

-- migrated to a version with a window
select drip_test.email_sequence(drip_test.org(), 'open', 2, '{"window": {"days": ["wed"], "start": "10:00", "end": "11:00"}}');
select drip_test.enrolled(drip_test.org(), 'open', drip_test.contacts(drip_test.org(), 1, 'n'));
select is(drip_test.place(drip_test.org(), drip_test.enrollment('late')), 'active s2, attempt 0, due 2026-03-10 10:00', 'without a window');
select drip.migrate_enrollments(drip_test.org(), 'open', 2, false);
select is(drip_test.place(drip_test.org(), drip_test.enrollment('late')), 'active s2, attempt 0, due 2026-03-11 10:00', 'moved into that of the new version');

-- resumed outside its window
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('late'));
select drip_test.at('2026-03-12T10:00:00Z');
select drip.resume_enrollment(drip_test.org(), drip_test.enrollment('late'));
select drip_test.settle('sent', drip_test.org());
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('late')), 'active s2, attempt 0, due 2026-03-18 10:00', 'X8: resumed while it is closed, it waits'
);
select drip_test.no_violations();

select finish();
rollback;
