-- Delivered, bounced, complained: idempotent, in any order, early ones parked, unknown ones visible, held messages settled.
begin;
select plan(47);
select drip_test.organization('A');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box', '{"daily_limit": 100}');
select drip_test.email_sequence(drip_test.org(), 'mails', 3);
select drip_test.email_sequence(drip_test.org(), 'other', 3);
select set_config('drip_test.ids', drip_test.contacts(drip_test.org(), 9, 'c')::text, true);
create function pg_temp.contact(n int)
returns bigint
language sql
as $$ select (current_setting('drip_test.ids')::bigint[])[n] $$;
create temporary table flown (n int, enrollment_id bigint, claim_token bigint, message_token text) on commit drop;
create function pg_temp.fly(n int, key text default 'mails')
returns void
language plpgsql
as $$
declare
  v_claim drip.claimed_message;
begin
  perform drip_test.enrolled(drip_test.org(), fly.key, array[pg_temp.contact(fly.n)]);
  select * into v_claim from drip.claim(organization_id => drip_test.org());
  insert into flown values (fly.n, v_claim.enrollment_id, v_claim.claim_token, v_claim.message_token);
end;
$$;
create function pg_temp.land(n int, outcome text default 'sent', extra jsonb default '{}')
returns text
language sql
as $$
  select a.disposition
  from flown as f
  cross join lateral drip.advance(jsonb_build_array(jsonb_build_object(
    'organization_id', drip_test.org(), 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token, 'outcome', land.outcome) || land.extra)) as a
  where f.n = land.n
$$;
create function pg_temp.report(n int, type text, extra jsonb default '{}')
returns text
language sql
as $$
  select drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', f.message_token, 'type', report.type) || report.extra)
  from flown as f
  where f.n = report.n
$$;
create function pg_temp.state(n int)
returns text
language sql
as $$ select drip_test.state(drip_test.org(), f.enrollment_id) from flown as f where f.n = state.n $$;
create function pg_temp.events(n int)
returns text
language sql
as $$ select drip_test.events(drip_test.org(), f.enrollment_id) from flown as f where f.n = events.n $$;

-- delivered, twice, and by the id of the provider
select pg_temp.fly(1);
select pg_temp.land(1, 'sent', '{"provider_message_id": "p-1"}');
select is(pg_temp.report(1, 'delivered', '{"external_id": "e-1"}'), 'recorded', 'G3: a delivery');
select is(pg_temp.report(1, 'delivered', '{"external_id": "e-1"}'), 'duplicate', 'a second copy is one');
select is(pg_temp.report(1, 'delivered', '{"external_id": "e-2"}'), 'recorded', 'another report of the same');
select is(pg_temp.events(1), 'enrolled sent delivered', 'G3: is one delivery all the same');
select is(
  drip.record_provider_event(drip_test.org(), '{"provider_message_id": "<p-1>", "type": "opened", "detail": {"user_agent": "curl/8"}}'), 'recorded',
  'the id of the provider names it as well'
);
select is(
  (
    select e.is_machine
    from drip_core.events as e
    inner join flown as f on e.enrollment_id = f.enrollment_id and f.n = 1
    where e.organization_id = drip_test.org() and e.type = 'opened'
  ),
  true, 'G1: an open by a program is a machine''s'
);
select is(pg_temp.report(1, 'deferred') || ' ' || pg_temp.report(1, 'sent'), 'recorded recorded', 'what says nothing new is kept');
select is(pg_temp.events(1), 'enrolled sent delivered opened', 'and is no event');

-- a hard bounce: the address, and who has it
select pg_temp.fly(2);
select pg_temp.land(2);
select drip_test.keep('other', (drip_test.enrolled(drip_test.org(), 'other', array[pg_temp.contact(2)], clock_timestamp() + interval '1 day'))[1]);
select is(pg_temp.report(2, 'bounced', '{"detail": {"status": "5.1.1"}}'), 'recorded', 'G3: a hard bounce');
select is(pg_temp.state(2), 'bounced/invalid_address', 'G3: ends the enrollment');
select is(drip_test.state(drip_test.org(), drip_test.kept('other')), 'bounced/invalid_address', 'and every other that writes to the address');
select is(pg_temp.events(2), 'enrolled sent bounced bounced', 'the message came back, the enrollment ended: one event each');
select is(
  (
    select string_agg(concat_ws('/', s.key, e.channel, e.reason), ' ' order by e.id)
    from drip_core.events as e
    inner join drip_core.steps as s on e.organization_id = s.organization_id and e.step_id = s.id
    inner join flown as f on e.enrollment_id = f.enrollment_id and f.n = 2
    where e.organization_id = drip_test.org() and e.type = 'bounced'
  ),
  's1/email/invalid_address s1/invalid_address', 'both of the step whose message came back'
);
select results_eq(
  $$ select r.outcome::text from drip.enroll(drip_test.org(), 'mails', pg_temp.contact(2)) as r $$, array['bounced'], 'the address is suppressed'
);

-- soft, policy, content, sender: never the contact
select pg_temp.fly(3);
select pg_temp.land(3);
select is(pg_temp.report(3, 'bounced', '{"reason": "mailbox_full"}'), 'recorded', 'a soft bounce');
select is(pg_temp.report(3, 'bounced', '{"reason": "550 5.7.1 refused by policy"}'), 'recorded', 'a policy bounce');
select is(pg_temp.report(3, 'failed', '{"reason": "sender"}'), 'recorded', 'one of the sender');
select is(pg_temp.report(3, 'bounced', '{"detail": {"class": "content"}}'), 'recorded', 'one of the content');
select is(pg_temp.state(3), 'active/-', 'none of them touches the contact');
select results_eq(
  $$
    select e.reason::text
    from drip_core.events as e
    join flown as f on f.enrollment_id = e.enrollment_id and f.n = 3
    where e.organization_id = drip_test.org() and e.type = 'bounced'
    order by e.id $$,
  array['soft_bounced', 'rejected_policy', 'sender_blocked', 'rejected_content'], 'G4: each with its reason'
);

-- soft ones that last are for good: three, a week apart, no sign of life between
select drip_test.at(clock_timestamp() + interval '1 day 1 hour');
select is(drip_test.settle() ->> 'advanced', '2', 'the second step');
select drip_test.keep('soft', f.enrollment_id) from flown as f
where f.n = 3;
create function pg_temp.soft(step text)
returns text
language sql
as $$
  select drip.record_provider_event(drip_test.org(), jsonb_build_object(
    'message_token', drip.get_message(drip_test.org(), drip_test.kept('soft'), soft.step) ->> 'message_token', 'type', 'bounced', 'reason', 'soft'))
$$;
select pg_temp.soft('s2');
select is(pg_temp.state(3), 'active/-', 'two soft bounces are not for good');
select drip_test.at(clock_timestamp() + interval '9 days');
select drip_test.settle();
select pg_temp.soft('s3');
select is(pg_temp.state(3), 'completed/-', 'a third, a week later, comes when the sequence is over');
select results_eq(
  $$ select r.outcome::text from drip.enroll(drip_test.org(), 'other', pg_temp.contact(3)) as r $$, array['bounced'], 'the address is suppressed all the same'
);

-- a complaint is the person's will
select pg_temp.fly(4);
select pg_temp.land(4);
select is(pg_temp.report(4, 'complained'), 'recorded', 'a complaint');
select is(pg_temp.state(4) || ' ' || pg_temp.events(4), 'unsubscribed/complained enrolled sent complained unsubscribed', 'ends as an unsubscribe does');
select is(drip_core._consent_of(drip_test.org(), pg_temp.contact(4), 'email')::text, 'opted_out', 'and the ledger says so');
-- so is an unsubscribe that the provider took
select pg_temp.fly(5);
select pg_temp.land(5);
select is(pg_temp.report(5, 'unsubscribed'), 'recorded', 'an unsubscribe at the provider''s');
select is(pg_temp.state(5), 'unsubscribed/unsubscribed', 'is one');

-- early: before advance
select pg_temp.fly(6);
select is(pg_temp.report(6, 'bounced', '{"reason": "hard"}'), 'parked', 'a bounce that is faster than the runner waits');
select is(pg_temp.state(6), 'active/-', 'and does nothing yet');
select is((
  select count(*) from drip_report.unmatched_facts as u
  where u.organization_id = drip_test.org() and u.state = 'parked'
), 1::bigint, 'it is visible');
select is(pg_temp.land(6), 'advanced', 'the runner reports');
select drip_test.at(drip_core.now() + interval '1 minute');
select is(drip.tick() ->> 'facts_matched', '1', 'the tick finds its message');
select is(pg_temp.state(6) || ' ' || pg_temp.events(6), 'bounced/bounced enrolled sent bounced bounced', 'as if it had come in order');

-- a runner that never reports: the report proves that it was sent
select pg_temp.fly(7);
select is(pg_temp.report(7, 'delivered'), 'parked', 'delivered, says the provider');
select drip_test.at(drip_core.now() + interval '10 minutes');
select count(*) from drip.tick();
select drip_test.at(drip_core.now() + interval '10 minutes');
select count(*) from drip.tick();
select is(pg_temp.state(7) || ' ' || pg_temp.events(7), 'active/- enrolled held sent delivered', 'X1: it is not sent again: held, then settled by the report');
-- held with unknown outcome
select pg_temp.fly(8);
select is(pg_temp.land(8, 'unknown'), 'held', 'nobody knows');
select is(pg_temp.report(8, 'complained'), 'recorded', 'who complains has got it');
select is(pg_temp.events(8), 'enrolled held sent complained unsubscribed', 'settled as sent first');

-- within bounds
select pg_temp.report(8, 'opened', jsonb_build_object(
  'external_id', 'huge', 'detail', jsonb_build_object('user_agent', 'Mozilla/5.0', 'everything', repeat('x', 100000))
));
select is(
  (
    select p.detail::text from drip_core.provider_events as p
    where p.organization_id = drip_test.org() and p.dedupe_key = 'id:huge'
  ), '{"truncated": true, "user_agent": "Mozilla/5.0"}', 'of a huge payload stays what is read of it'
);
-- what names no message; what is no report
select is(
  drip.record_provider_event(drip_test.org(), jsonb_build_object('message_token', repeat('ab', 33), 'type', 'delivered')),
  'unknown',
  'a token that was never made'
);
select is(
  drip.record_provider_event(drip_test.org(), '{"provider_message_id": "who", "type": "delivered"}'), 'parked', 'an id that is not known yet'
);
select drip_test.at(drip_core.now() + interval '4 days');
select count(*) from drip.tick();
select results_eq(
  $$ select u.state || ' ' || count(*) from drip_report.unmatched_facts as u where u.organization_id = drip_test.org() group by u.state $$,
  array['unmatched 2'], 'both stay visible'
);
select matches(
  drip_test.error_of($$ select drip.record_provider_event(drip_test.org(), '{"message_token": "x", "type": "exploded"}') $$),
  '^PT422 . invalid event . event.type', 'no such report'
);
select matches(
  drip_test.error_of($$ select drip.record_provider_event(drip_test.org(), '{"type": "delivered"}') $$),
  '^PT422 . invalid event . event: message_token or', 'of no message'
);
select drip_test.no_violations();
select * from finish();
rollback;
