begin;
select plan(12);
select drip_test.organization('A');
select drip_test.keep('old', drip_test.mailbox(drip_test.org(), 'old'));
select drip_test.keep('other', drip_test.mailbox(drip_test.org(), 'other'));
select drip_test.phone_line(drip_test.org(), 'phone');
select drip_test.email_sequence(drip_test.org(), 'mails', 2, '{"senders": [{"account": "old"}]}');
select drip_test.email_sequence(drip_test.org(), 'others', 2, '{"senders": [{"account": "other"}]}');
select drip_test.at('2026-03-02 09:00Z');
select drip_test.keep('e' || row_number() over (), e.enrollment_id)
from drip.enroll_many(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 4)) as e;
select drip.pause_enrollment(drip_test.org(), drip_test.kept('e2'));
select drip.remove_enrollment(drip_test.org(), drip_test.kept('e3'));
-- the fourth is in flight
update drip_core.enrollments set next_step_at = '2026-03-01 09:00Z'
where organization_id = drip_test.org() and id = drip_test.kept('e4');
select set_config('drip_test.claims', drip_test.claims(drip_test.org(), 1)::text, true);
select drip_test.keep('new', drip_test.mailbox(drip_test.org(), 'new'));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is(drip.replace_sender(drip_test.org(), 'old', 'new'), 2::bigint, 'X10: it says how many were moved: the open ones that are not in flight');
reset role;
select results_eq(
  $$
    select e.id, e.sender_ids, e.status::text from drip_core.enrollments as e where e.organization_id = drip_test.org() order by e.id
  $$,
  $$
    values (drip_test.kept('e1'), array[drip_test.kept('new')], 'active'), (drip_test.kept('e2'), array[drip_test.kept('new')], 'paused'),
      (drip_test.kept('e3'), array[drip_test.kept('old')], 'removed'), (drip_test.kept('e4'), array[drip_test.kept('old')], 'active')
  $$,
  'X10: what is in flight and what has ended stays with its sender'
);
select drip_test.no_violations('X10: the new lane has its queue');
select is(drip_test.report(current_setting('drip_test.claims')::jsonb), 'advanced', 'X1: the message in flight is settled by its old sender');
select is(drip.replace_sender(drip_test.org(), 'old', 'new'), 1::bigint, 'X10: a repeat moves what is left');
select is(drip_test.settle(), '{"advanced": 1}', 'X10: the moved one is due at once');
select is(
  (
    select a.key
    from drip_core.messages as m
    inner join drip_core.channel_accounts as a on m.organization_id = a.organization_id and m.channel_account_id = a.id
    where m.organization_id = drip_test.org() and m.enrollment_id = drip_test.kept('e1')
  ), 'new', 'X10: and leaves by the new sender'
);
select matches(drip_test.error_of(format('select drip.replace_sender(drip_test.org(), %L, %L)', c.f, c.t)), c.expected, c.rule)
from (
  values
  ('old', 'phone', '^PT422 \| a sender is replaced by one of its channel', 'PT422: of the same channel only'),
  ('old', 'nobody', '^PT404 \| channel account not found', 'PT404: the new sender is there'),
  ('nobody', 'new', '^PT404 \| channel account not found', 'PT404: so is the old one')
) as c (f, t, expected, rule);
select drip_test.no_violations();
select * from finish();
rollback;
