-- What a gateway says of its session: a lost one stops the sender until it is back, a ban until a person resumes it.
begin;
select plan(29);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.at_all_times(drip_test.org());
select drip_test.keep('line', drip_test.phone_line(drip_test.org(), 'line'));
select drip_test.email_sequence(drip_test.org(), 'chat', 1, '{"steps": [{"key": "s1", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.enrolled(drip_test.org(), 'chat', drip_test.contacts(drip_test.org(), 3, extra => '{"phone": "+4930123456"}'));
create function pg_temp.say(p_state text, p_at text, p_detail text default null) returns text language sql as $$
  select drip.record_connection(drip_test.org(), 'line', jsonb_build_object('state', p_state, 'occurred_at', p_at, 'detail', p_detail));
$$;
create function pg_temp.lane() returns text language sql as $$
  select concat_ws(' ', l.status, l.reason, l.detail) from drip_report.lane_status as l where l.channel_account_key = 'line';
$$;

select is(pg_temp.say('connected', '2026-03-02T08:00:00Z'), 'unchanged', 'all is well');
select is(pg_temp.say('disconnected', '2026-03-02T08:30:00Z', 'STOPPED'), 'blocked', 'the session is gone');
select is(pg_temp.lane(), 'blocked sender_blocked disconnected: STOPPED', 'X10: which stops the sender');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'X10: its messages wait');
select is(pg_temp.say('connected', '2026-03-02T08:00:00Z'), 'stale', 'what was said before does not count');
select is(pg_temp.say('disconnected', '2026-03-02T08:30:00Z', 'STOPPED'), 'unchanged', 'nor what was said already');
select is(pg_temp.say('connected', '2026-03-02T08:40:00Z'), 'resumed', 'it is back');
select is(pg_temp.lane(), 'active pacing', 'and may send');
select ok(
  (
    select l.next_slot_at between '2026-03-02T09:01:00Z' and '2026-03-02T09:19:00Z' from drip_core.lanes as l
    where l.organization_id = drip_test.org()
  ), 'H1: after a gap, not in a burst'
);
select is(pg_temp.say('connected', '2026-03-02T08:40:00Z'), 'unchanged', 'a replay changes nothing');

-- a person's pause is not lifted, and no replay of good news lifts a block
select drip.pause_lane(drip_test.org(), drip_test.kept('line'), 'holiday');
select is(pg_temp.say('disconnected', '2026-03-02T08:50:00Z'), 'unchanged', 'a paused sender stays paused');
select is(pg_temp.say('connected', '2026-03-02T08:51:00Z'), 'unchanged', 'also when its session is back');
select is(pg_temp.lane(), 'paused sender_paused holiday', 'until a person resumes it');
select drip.resume_lane(drip_test.org(), drip_test.kept('line'));

-- a ban
select is(pg_temp.say('banned', '2026-03-02T08:52:00Z', 'close 403'), 'blocked', 'WhatsApp shuts it out');
select is(pg_temp.lane(), 'blocked sender_blocked banned: close 403', 'X10: the sender stops');
select is(pg_temp.say('connected', '2026-03-02T08:53:00Z'), 'unchanged', 'a session that returns after a ban lifts nothing');
select is(pg_temp.say('disconnected', '2026-03-02T08:54:00Z'), 'unchanged', 'nor does one that is lost meanwhile');
select is(pg_temp.say('connected', '2026-03-02T08:55:00Z'), 'unchanged', 'and returns');
select is(pg_temp.lane(), 'blocked sender_blocked banned: close 403', 'until a person resumes it');
select drip.resume_lane(drip_test.org(), drip_test.kept('line'));
select drip.pause_lane(drip_test.org(), drip_test.kept('line'), 'x');
select is(pg_temp.say('banned', '2026-03-02T08:56:00Z'), 'blocked', 'X10: a ban stops a paused one as well');
select drip.resume_lane(drip_test.org(), drip_test.kept('line'));

-- a provider that finds the session gone
select drip_test.at('2026-03-02T10:00:00Z');
select is(
  drip_test.report(drip_test.claims(drip_test.org()), 'sender_error', '{"error_code": "not_connected", "error_message": "the session is STOPPED"}'),
  'deferred', 'X10: the message waits'
);
select is(pg_temp.lane(), 'blocked sender_blocked not_connected the session is STOPPED', 'and so does the lane');
select is(pg_temp.say('connected', '2026-03-02T10:01:00Z'), 'resumed', 'until the session is back');
select drip_test.at('2026-03-02T11:00:00Z');
select is(
  drip_test.report(drip_test.claims(drip_test.org()), 'sender_error', '{"error_code": "401", "error_message": "Unauthorized"}'),
  'deferred', 'any other trouble'
);
select is(pg_temp.say('connected', '2026-03-02T11:01:00Z'), 'unchanged', 'is not over because the session is there');

select matches(drip_test.error_of($$select pg_temp.say('wired', null)$$), '^PT422', 'an unknown state is refused');
select matches(
  drip_test.error_of($$select drip.record_connection(drip_test.org(), 'none', '{"state": "banned"}')$$), '^PT404 \| channel account not found',
  'an unknown sender as well'
);
select matches(
  drip_test.error_of($$select drip.record_connection(-1, 'line', '{"state": "banned"}')$$), '^PT404 \| organization not found', 'H2: and a foreign one'
);
select drip_test.no_violations();
select * from finish();
rollback;
