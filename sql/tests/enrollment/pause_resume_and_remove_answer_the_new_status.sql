begin;
select plan(17);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'ann'));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(drip.pause_enrollment(drip_test.org(), drip_test.kept('e'), 'holiday'), 'paused', 'pausing answers paused');
select is(drip_test.state(drip_test.org(), drip_test.kept('e')), 'paused/manual', 'and says who: a person');
select is(drip.pause_enrollment(drip_test.org(), drip_test.kept('e')), 'paused', 'pausing again changes nothing');
reset role;
select is(drip_test.settle(), '{}', 'C2: a paused enrollment is not claimed');
set local role drip_app;
select is(drip.resume_enrollment(drip_test.org(), drip_test.kept('e')), 'active', 'resuming answers active');
select is(drip_test.state(drip_test.org(), drip_test.kept('e')), 'active/-', 'and no reason is left');
select is(drip.resume_enrollment(drip_test.org(), drip_test.kept('e')), 'active', 'resuming again changes nothing');
reset role;
select is(drip_test.settle(), '{"advanced": 1}', 'X8: it goes on where it stopped');
set local role drip_app;
select is(drip.remove_enrollment(drip_test.org(), drip_test.kept('e'), 'asked by phone'), 'removed', 'removing answers removed');
select is(drip.remove_enrollment(drip_test.org(), drip_test.kept('e')), 'removed', 'removing again changes nothing');
select is(
  drip_test.error_of('select drip.pause_enrollment(drip_test.org(), drip_test.kept(''e''))'),
  format('PT409 | only an active enrollment can be paused | enrollment_id: %s, status: removed', drip_test.kept('e')), 'PT409: what has ended is not paused'
);
select matches(
  drip_test.error_of('select drip.resume_enrollment(drip_test.org(), drip_test.kept(''e''))'), '^PT409 \| only a paused enrollment can be resumed',
  'H3: nor resumed'
);
select is(
  drip_test.events(drip_test.org(), drip_test.kept('e')), 'enrolled paused resumed sent removed', 'C1: each change has its event, a repeat has none'
);
reset role;
select drip_test.at('2026-04-02 09:00Z');
select is(drip_test.settle(), '{}', 'X9: what was removed is never claimed again');
select is(
  (
    select string_agg(v.data ->> 'note', ', ' order by v.id) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.data ? 'note'
  ),
  'holiday, asked by phone', 'G4: what the person said is kept with the event'
);
select drip_test.no_violations();
select * from finish();
rollback;
