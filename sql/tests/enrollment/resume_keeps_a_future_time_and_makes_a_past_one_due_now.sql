begin;
select plan(8);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('e' || row_number() over (), e.enrollment_id)
from drip.enroll_many(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 2)) as e;
select drip_test.settle();
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e1'));
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'));
select drip_test.at('2026-03-02 15:00Z');
select drip.resume_enrollment(drip_test.org(), drip_test.kept('e1'));
select is(drip_test.place(drip_test.org(), drip_test.kept('e1')), 'active s2, attempt 0, due 2026-03-03 09:00', 'X8: a future time is kept');
select is(drip_test.settle(), '{}', 'X8: it is not due before');
select drip_test.at('2026-03-20 12:00Z');
select drip.resume_enrollment(drip_test.org(), drip_test.kept('e2'));
select
  is(
    drip_test.place(drip_test.org(), drip_test.kept('e2')), 'active s2, attempt 0, due 2026-03-20 12:00', 'X8: a past time is now, at the step where it stopped'
  );
select is(drip_test.settle(), '{"completed": 2}', 'X8: both are due');

-- in flight: never made due a second time
select drip_test.keep('e3', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann')) as e;
select set_config('drip_test.claims', drip_test.claims(drip_test.org())::text, true);
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e3'));
select drip.resume_enrollment(drip_test.org(), drip_test.kept('e3'));
select is(drip_test.claims(drip_test.org()), '[]', 'X1: what is leased is not made due by pause and resume');
select is(drip_test.report(current_setting('drip_test.claims')::jsonb), 'advanced', 'X1: its claim is still the valid one');
-- held: waits for an answer
select drip_test.keep('e4', e.enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'bob')) as e;
select drip_test.settle('unknown');
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e4'));
select drip.resume_enrollment(drip_test.org(), drip_test.kept('e4'));
select is(drip_test.place(drip_test.org(), drip_test.kept('e4')), 'active s1, attempt 0, held', 'X1: what is held stays held');
select drip_test.no_violations();
select * from finish();
rollback;
