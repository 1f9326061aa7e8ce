-- One transaction: ledger, suppression, every open enrollment that uses the channel, one event each, attributed.
begin;
select plan(19);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'phone');
select drip_test.email_sequence(drip_test.org(), 'one', 3);
select drip_test.email_sequence(drip_test.org(), 'two', 3);
select drip_test.email_sequence(drip_test.org(), 'short', 1);
select count(*)
from drip.apply_sequence(drip_test.org(), '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930123456"}'));
select drip_test.keep('twin', drip_test.contact(drip_test.org(), 'twin', '{"email": "ANN@example.net"}'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('short', enrollment_id) from drip.enroll(drip_test.org(), 'short', drip_test.kept('ann'));
select drip_test.settle();
select drip_test.keep('one', enrollment_id) from drip.enroll(drip_test.org(), 'one', drip_test.kept('ann'));
select drip_test.keep('twin_one', enrollment_id) from drip.enroll(drip_test.org(), 'one', drip_test.kept('twin'), start_at => now() + interval '1 hour');
select drip_test.keep('bob_one', enrollment_id) from drip.enroll(drip_test.org(), 'one', drip_test.kept('bob'));
create temporary table one on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', o.organization_id, 'enrollment_id', o.enrollment_id, 'claim_token', o.claim_token)) from one as o
));
select drip_test.keep('two', enrollment_id) from drip.enroll(drip_test.org(), 'two', drip_test.kept('ann'));
create temporary table flying on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip_test.keep('chats', enrollment_id) from drip.enroll(drip_test.org(), 'chats', drip_test.kept('ann'));
select set_config('drip_test.link', o.link_token, true) from one as o
where o.enrollment_id = drip_test.kept('one');
select set_config('drip_test.org_id', drip_test.org()::text, true);

-- as whoever follows a link
set local role drip_public;
select set_config('drip.organization_id', '', true);
select is(
  drip.unsubscribe_info(current_setting('drip_test.link')),
  '{"status": "subscribed", "organization": "A", "sender": "Sender box", "channel": "email", "address": "a***@example.net"}',
  'X6: looking says whose message it was, and to whom'
);
reset role;
select drip_test.act_for(current_setting('drip_test.org_id')::bigint);
select is(drip_test.state(drip_test.org(), drip_test.kept('one')), 'active/-', 'X6: looking changes nothing');
set local role drip_public;
select set_config('drip.organization_id', '', true);
select is(
  drip.unsubscribe(current_setting('drip_test.link'), 'one_click'), '{"status": "unsubscribed", "ended": 3, "in_flight": 1}',
  'C1: it says how many enrollments ended, X9: and that one message was in flight'
);
select is(
  drip.unsubscribe(current_setting('drip_test.link')), '{"status": "unsubscribed", "ended": 0, "in_flight": 0}', 'C1: a repeat succeeds'
);
select is(drip.unsubscribe_info(current_setting('drip_test.link')) ->> 'status', 'unsubscribed', 'C1: the page says so');
select is(
  (drip.unsubscribe('00' || repeat('ab', 32)), drip.unsubscribe(''), drip.unsubscribe(null, null))::text,
  (
    drip.unsubscribe(current_setting('drip_test.link')),
    drip.unsubscribe(current_setting('drip_test.link')),
    drip.unsubscribe(current_setting('drip_test.link'))
  )::text,
  'L4: a token that names nothing is answered like one that does'
);
reset role;
select drip_test.act_for(current_setting('drip_test.org_id')::bigint);

select is(drip_test.state(drip_test.org(), drip_test.kept('one')), 'unsubscribed/unsubscribed', 'C1: the enrollment of the message ended');
select is(drip_test.state(drip_test.org(), drip_test.kept('two')), 'unsubscribed/unsubscribed', 'C1: so did the other one of the channel');
select is(drip_test.state(drip_test.org(), drip_test.kept('twin_one')), 'unsubscribed/unsubscribed', 'C1: and that of another contact with the address');
select is(
  drip_test.state(drip_test.org(), drip_test.kept('chats')) || ' ' || drip_test.state(drip_test.org(), drip_test.kept('bob_one')), 'active/- active/-',
  'C1: other channels and other people go on'
);
select results_eq(
  format($$
    select e.enrollment_id, s.key, e.data ->> 'step_key', e.data ->> 'sequence_key', e.data ->> 'source', (e.data ->> 'in_flight')::boolean
    from drip_core.events as e
    join drip_core.steps as s on s.organization_id = e.organization_id and s.id = e.step_id
    where e.organization_id = drip_test.org() and e.type = 'unsubscribed' and e.contact_id = %s
    order by e.enrollment_id $$, drip_test.kept('ann')),
  format(
    $$ values (%s::bigint, 's1', 's1', 'one', 'one_click', null::boolean), (%s, 's1', 's1', 'one', 'one_click', true) $$,
    drip_test.kept('one'), drip_test.kept('two')
  ),
  'C1: one event each, attributed to message, step and sequence; what was in flight says so'
);
select results_eq(
  $$
    select l.contact_id, l.state, l.is_effective, l.source, l.enrollment_id = drip_test.kept('one')
    from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org() order by l.contact_id
  $$,
  $$ values (drip_test.kept('ann'), 'opted_out'::drip.consent_state, true, 'one_click', true),
    (drip_test.kept('twin'), 'opted_out', true, 'one_click', true) $$,
  'C1: the ledger says it once'
);
select results_eq(
  $$
    select s.channel, s.reason, s.scope, s.address_hash = drip_core._hash_address('email', 'ann@example.net')
    from drip_core.suppressions as s where s.organization_id = drip_test.org()
  $$,
  $$ values ('email'::drip.channel, 'unsubscribed'::drip.reason, 'all'::drip.suppression_scope, true) $$, 'C1: the address is suppressed'
);

-- what was in flight is settled as what it was; nothing is claimed any more
select is(
  drip_test.report((
    select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token))
    from flying as f
  )), 'advanced', 'X9: the message in flight is recorded'
);
select is(drip_test.state(drip_test.org(), drip_test.kept('two')), 'unsubscribed/unsubscribed', 'X9: its enrollment stays ended');
select drip_test.at(now() + interval '40 days');
select is(
  (
    select count(*) from drip.claim(organization_id => drip_test.org()) as c
    where c.to_address = 'ann@example.net'
  ), 0::bigint,
  'X9: nothing is claimed for her again, thirty days later either'
);
-- the link of an ended enrollment
select set_config('drip_test.link', drip.get_message(drip_test.org(), drip_test.kept('short'), 's1') ->> 'link_token', true);
select drip.unsubscribe(current_setting('drip_test.link'));
select drip.unsubscribe(current_setting('drip_test.link'));
select is(
  drip_test.events(drip_test.org(), drip_test.kept('short')), 'enrolled sent completed unsubscribed',
  'L4: a link of an ended enrollment works, and is counted once'
);
select is(drip_test.state(drip_test.org(), drip_test.kept('short')), 'completed/-', 'C1: what has ended stays as it ended');
select drip_test.no_violations();
select * from finish();
rollback;
