-- pause, exit and continue; attributed to the message it answers; landed once; what answers nothing is kept and visible.
begin;
select plan(32);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'pausing', 3);
select drip_test.email_sequence(drip_test.org(), 'exiting', 3, '{"on_reply": "exit"}');
select drip_test.email_sequence(drip_test.org(), 'going', 3, '{"on_reply": "continue"}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('pausing', (drip_test.enrolled(drip_test.org(), 'pausing', array[drip_test.kept('ann')]))[1]);
select drip_test.keep('exiting', (drip_test.enrolled(drip_test.org(), 'exiting', array[drip_test.kept('ann')]))[1]);
select drip_test.keep('going', (drip_test.enrolled(drip_test.org(), 'going', array[drip_test.kept('ann')]))[1]);
create temporary table flown on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)) from flown as f
), 'sent', '{"provider_message_id": null}');
create function pg_temp.message_id(enrollment_id bigint)
returns text
language sql
as $$ select f.headers ->> 'Message-ID' from flown as f where f.enrollment_id = message_id.enrollment_id $$;
create function pg_temp.reply(enrollment_id bigint, extra jsonb default '{}')
returns bigint
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'Ann Example <ann@example.net>', 'to_address', 'box@sender.example', 'subject', 'Re: Subject 1',
    'text', 'Sounds good', 'in_reply_to', jsonb_build_array(pg_temp.message_id(reply.enrollment_id)), 'external_id', 'reply-' || reply.enrollment_id
  ) || reply.extra)
$$;
create function pg_temp.kept_of(inbound_id bigint)
returns text
language sql
as $$
  select concat_ws(' ', i.class, i.state, i.enrollment_id, i.attributed_by)
  from drip_core.inbound_messages as i where i.organization_id = drip_test.org() and i.id = inbound_id
$$;

select drip_test.keep('first', pg_temp.reply(drip_test.kept('pausing')));
select is(drip_test.state(drip_test.org(), drip_test.kept('pausing')), 'paused/replied', 'X9: on_reply pause');
select is(drip_test.events(drip_test.org(), drip_test.kept('pausing')), 'enrolled sent replied paused', 'G2: the reply is a fact of its own');
select is(pg_temp.kept_of(drip_test.kept('first')), format('human applied %s token', drip_test.kept('pausing')), 'G2: and kept with what it answers');
select is(pg_temp.reply(drip_test.kept('pausing')), drip_test.kept('first'), 'the same message again is the same row');
select is(drip_test.events(drip_test.org(), drip_test.kept('pausing')), 'enrolled sent replied paused', 'and no second fact');
select pg_temp.reply(drip_test.kept('exiting'));
select is(drip_test.state(drip_test.org(), drip_test.kept('exiting')), 'exited/replied', 'X9: on_reply exit');
select pg_temp.reply(drip_test.kept('going'));
select is(
  drip_test.state(drip_test.org(), drip_test.kept('going')) || ' ' || drip_test.events(drip_test.org(), drip_test.kept('going')),
  'active/- enrolled sent replied', 'X9: on_reply continue'
);
select is(
  (
    select s.key || ' ' || (e.data ->> 'attributed_by') || ' ' || (e.data ->> 'is_inferred')
    from drip_core.events as e
    inner join drip_core.steps as s on e.organization_id = s.organization_id and e.step_id = s.id
    where e.organization_id = drip_test.org() and e.enrollment_id = drip_test.kept('pausing') and e.type = 'replied'
  ),
  's1 token false', 'H5: a reply belongs to the message that it answers, not to the next step'
);
select is(drip.resume_enrollment(drip_test.org(), drip_test.kept('pausing'))::text, 'active', 'a person may go on');
select is(
  (
    select e.data from drip_core.events as e
    where e.organization_id = drip_test.org() and e.enrollment_id = drip_test.kept('pausing') and e.type = 'resumed'
  ),
  null, 'the resumption does not carry the cause of the pause'
);
select drip_test.at(clock_timestamp() + interval '3 days');
select is(drip_test.settle(), '{"advanced": 2}', 'X9: what was resumed and what goes on is sent, the exited one is not');
select pg_temp.reply(drip_test.kept('pausing'), '{"external_id": "again"}');
select is(drip_test.state(drip_test.org(), drip_test.kept('pausing')), 'paused/replied', 'X9: a second reply pauses again');

-- by References, by the provider's id, by address
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('going'), jsonb_build_object('external_id', 'refs', 'in_reply_to', '[]'::jsonb, 'headers', jsonb_build_object(
    'References', '<other@example.net> ' || pg_temp.message_id(drip_test.kept('going'))
  )))),
  format('human applied %s token', drip_test.kept('going')), 'the References header names it as well'
);
update drip_core.messages as m set provider_message_id = '0100abc'
where m.organization_id = drip_test.org() and m.enrollment_id = drip_test.kept('exiting');
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('exiting'), '{"external_id": "ses", "in_reply_to": ["<0100abc@eu-west-1.amazonses.com>"]}')),
  format('human applied %s provider_id', drip_test.kept('exiting')), 'so does the id of the provider, with the domain it puts behind'
);
select drip_test.keep('bobs', (drip_test.enrolled(drip_test.org(), 'exiting', array[drip_test.kept('bob')]))[1]);
select drip_test.settle();
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('exiting'), '{"external_id": "bare", "in_reply_to": [], "from_address": "BOB@example.net"}')),
  format('human applied %s address', drip_test.kept('bobs')), 'a bare mail answers the last message to that address'
);
select is(
  (
    select (e.data ->> 'is_inferred')::boolean from drip_core.events as e
    where e.organization_id = drip_test.org() and e.enrollment_id = drip_test.kept('bobs') and e.type = 'replied'
  ),
  true, 'and the fact says that this was inferred'
);
select is(drip_test.state(drip_test.org(), drip_test.kept('bobs')), 'exited/replied', 'it stops the sequence all the same');

-- what answers nothing
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('exiting'), '{"external_id": "who", "in_reply_to": ["<x@y>"], "from_address": "carol@example.net"}')),
  'human unmatched', 'H5: a stranger''s mail lands'
);
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('exiting'), jsonb_build_object(
    'external_id', 'forged', 'from_address', 'carol@example.net', 'in_reply_to', jsonb_build_array('<' || repeat('ab', 33) || '@sender.example>')
  ))),
  'human unmatched', 'H5: so does one with a token that was never made'
);
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('pausing'), '{"external_id": "dsn", "from_address": "mailer-daemon@mx.example"}')),
  format('delivery_report ignored %s token', drip_test.kept('pausing')), 'H5: a machine''s report is kept and is no reply'
);
-- in the middle of a flight
select drip_test.keep('flying', (drip_test.enrolled(drip_test.org(), 'going', array[drip_test.kept('bob')]))[1]);
create temporary table flying on commit drop as select drip_test.claims(drip_test.org()) as claims;
select drip.record_inbound(drip_test.org(), jsonb_build_object(
  'channel', 'email', 'from_address', 'bob@example.net', 'text', 'stop', 'external_id', 'flying-stop'
));
select is(drip_test.state(drip_test.org(), drip_test.kept('flying')), 'unsubscribed/unsubscribed', 'X9: a stop while a message is in flight');
select is((select drip_test.report(f.claims) from flying as f), 'advanced', 'X9: what was in flight settles');
select is(drip_test.state(drip_test.org(), drip_test.kept('flying')), 'unsubscribed/unsubscribed', 'X9: and changes nothing');

-- who may, and bad input
select is(
  drip_test.error_of($$ select drip.record_inbound(drip_test.org() + 1000000, '{"channel": "email", "from_address": "x@y.example"}') $$),
  'PT404 | organization not found | organization_id: ' || drip_test.org() + 1000000, 'H2: no other organization'
);
select is(
  drip_test.error_of($$ select drip.record_inbound(drip_test.org(), '{"channel": "email"}') $$),
  'PT422 | invalid message | message.from_address: who wrote it is needed', 'no sender'
);
select is(
  drip_test.error_of($$ select drip.record_inbound(drip_test.org(), '{"channel": "fax", "from_address": "x"}') $$),
  'PT422 | unknown channel | channel: fax', 'no such channel'
);
select is(
  drip_test.error_of($$ select drip.record_inbound(drip_test.org(), '{"channel": "email", "from_address": "x@y.example", "received_at": "yesterday"}') $$),
  'PT422 | invalid message | message.received_at: "yesterday" is not a time such as 2026-12-01T09:30:00Z', 'no time'
);
select matches(
  drip_test.error_of($$ select drip.record_inbound(drip_test.org(), '{"channel": "email", "sender": "x@y.example"}') $$),
  '^PT422 . invalid message . .*sender', 'an unknown key'
);
select is((
  select count(*) from drip_core.reaction_failures as f
  where f.organization_id = drip_test.org()
), 0::bigint, 'no reaction failed');
-- whoever writes a month after our last message answers none of them; what is written is bounded
select drip_test.at(drip_core.now() + interval '31 days');
select is(
  pg_temp.kept_of(pg_temp.reply(drip_test.kept('exiting'), '{"external_id": "late", "in_reply_to": [], "from_address": "bob@example.net"}')),
  'human unmatched', 'a bare mail is taken for an answer for 30 days'
);
select drip_test.keep('long', pg_temp.reply(drip_test.kept('exiting'), jsonb_build_object(
  'external_id', 'long', 'text', repeat('a', 300000), 'subject', repeat('b', 5000), 'headers', jsonb_build_object('X-Long', repeat('c', 9000))
)));
select is(
  (
    select length(i.text_body) || ' ' || length(i.subject) || ' ' || length(i.headers ->> 'x-long')
    from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and i.id = drip_test.kept('long')
  ),
  '100000 1000 4000', 'H5: a huge mail lands, within bounds'
);
select drip_test.no_violations();
select * from finish();
rollback;
