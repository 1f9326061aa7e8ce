begin;
select plan(42);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.keep('b', drip_test.organization('B'));
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000b', 'other@b.example', '+49301111111');
select drip_test.keep('a', drip_test.organization('A', settings => '{"tracking": true, "contact_cap": {"per_day": 1}}'));
select drip_test.mailbox(drip_test.org(), 'box', '{"daily_limit": 1}');
select drip_test.phone_line(drip_test.org(), 'line');
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'Me@A.example', '+49302222222');
select drip.apply_sequence(drip_test.org(), '{"key": "welcome", "status": "draft", "steps": [
  {"key": "intro", "channel": "email", "subject": "Hi {{ contact.first_name }}", "text": "Dear {{ contact.first_name }} {{ unsubscribe_url }}",
   "html": "<html><body class=\"x\"><a href=\"https://example.com/x\">x</a></body></html>"},
  {"key": "chat", "channel": "whatsapp_lite", "text": "Hello {{ contact.first_name }}"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"phone": "+49303333333", "consent": {"email": "opted_out"}}'));
select drip_test.keep('me', drip_test.contact(drip_test.org(), 'me', '{"email": "me@a.example"}'));

-- who it may go to
create function pg_temp.refused(p_step text, p_to text)
returns text
language sql
as $$
  select drip_test.error_of(format('select drip.send_test(drip_test.org(), ''welcome'', %L, drip_test.kept(''ann''), %L)', p_step, p_to));
$$;
select alike(pg_temp.refused(c.step, c.address), 'PT403 | a test %members only | %: not the ' || c.expected || ' of a member', 'H2: not to ' || c.who)
from (
  values
  ('intro', 'ann@example.net', 'email address', 'the contact'),
  ('intro', 'other@b.example', 'email address', 'a member of another organization'),
  ('intro', 'nobody@nowhere.example', 'email address', 'a stranger'),
  ('intro', '+49302222222', 'email address', 'a member''s phone by email'),
  ('chat', 'me@a.example', 'phone', 'a member''s mailbox by WhatsApp'),
  ('chat', '+49301111111', 'phone', 'the phone of another organization''s member'),
  ('intro', null, 'email address', 'nobody')
) as c (step, address, expected, who);
select is_empty($$ select from drip_core.test_messages $$, 'H2: what is refused is not stored');

-- it is claimed and settled like every message, and labelled
create temporary table sent on commit drop as
select drip.send_test(drip_test.org(), 'welcome', 'intro', drip_test.kept('ann'), 'me@a.example') as id;
select is(drip.next_due_at(), '2026-03-02T09:00:00Z', 'a runner wakes up for it');
create temporary table m on commit drop as select c.* from drip.claim(organization_id => drip_test.org()) as c;
select is(
  (select concat_ws(' | ', m.is_test, m.to_address, m.to_name, m.from_address, m.subject, m.sequence_key, m.step_key, m.headers ->> 'X-Pgdrip-Test') from m),
  't | Me@A.example | box@sender.example | [Test] Hi Ann | welcome | intro | 1', 'H2: a test is labelled and goes to the member; a draft can be tested'
);
select
  matches(
    (select m.text_body from m),
    format('^\[Test\] Step intro of welcome with the data of contact %s, sent to you only\.\n\nDear Ann https', drip_test.kept('ann')),
    'H2: in its text'
  );
select matches((select m.html_body from m), '<body class="x"><p [^>]*>\[Test\] Step', 'H2: in its html');
select matches((select m.html_body from m), 'href="https://example.com/x"', 'its links are not counted');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'X1: it is claimed once');
select is(drip.hand_over((select jsonb_agg(to_jsonb(m)) from m)), 1, 'it is handed over like every message');
select is(drip.unsubscribe((select m.link_token from m)) ->> 'ended', '0', 'H2: its link unsubscribes nobody');
select lives_ok(format('select drip.record_open(%L, ''x'', null)', (select m.link_token from m)), 'nor is it opened');
select is(
  (
    select string_agg(a.disposition, ' ')
    from drip.advance((select jsonb_agg(to_jsonb(m) || '{"outcome": "sent", "provider_message_id": "pid-1"}') from m)) as a
  ),
  'completed', 'it is settled like every message'
);
select is(
  (select string_agg(a.disposition, ' ') from drip.advance((select jsonb_agg(to_jsonb(m) || '{"outcome": "sent"}') from m)) as a), 'stale', 'X1: once'
);
select is(
  (
    select concat_ws(' ', t.status, t.attempt, t.sequence_key, t.step_key, t.channel_account_key)
    from drip.list_tests(drip_test.org(), (select id from sent)) as t
  ),
  'sent 1 welcome intro box', 'whoever asked for it sees what became of it'
);
select is(
  drip.record_provider_event(
    drip_test.org(), jsonb_build_object('message_token', (select m.message_token from m), 'type', 'bounced', 'reason', 'invalid_address')
  ),
  'ignored', 'H2: what a provider reports of it is of no consequence'
);
select is(drip.record_provider_event(drip_test.org(), '{"provider_message_id": "pid-1", "type": "complained"}'), 'ignored', 'H2: by its own id as well');
select
  drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'me@a.example', 'text', 'STOP', 'subject', 'Re: Hi', 'in_reply_to', jsonb_build_array(m.headers ->> 'Message-ID')
  ))
from m;
select is_empty(
  $$ select from drip_core.inbound_messages as i where i.organization_id = drip_test.org() and (i.enrollment_id is not null or i.contact_id is not null) $$,
  'H2: an answer to it is about no contact'
);

-- it counts nowhere
select is(drip_test.books(drip_test.org(), 'box'), 'used 0: 0 leased, 0 held, 0 sent', 'H2: no capacity is used');
select is_empty($$ select from drip_core.messages where organization_id = drip_test.org() $$, 'H2: it is no message');
select is_empty(
  $$ select from drip_core.events where organization_id = drip_test.org() and type <> 'suppressed' and type <> 'unsubscribed' $$, 'H2: nor an event'
);
select is_empty(
  $$ select from drip_report.sequence_overview as v where v.organization_id = drip_test.org() and (v.enrolled > 0 or v.messages_sent > 0) $$,
  'H2: nor in a report'
);

-- the gap of a sender is kept on the wire
select drip.send_test(drip_test.org(), 'welcome', 'chat', drip_test.kept('ann'), '+49 30 2222222') from generate_series(1, 2);
truncate m;
insert into m select c.* from drip.claim(organization_id => drip_test.org()) as c;
select is(
  (select string_agg(m.to_address || ' ' || m.text_body, ', ') from m),
  format(e'+49302222222 [Test] Step chat of welcome with the data of contact %s, sent to you only.\n\nHello Ann', drip_test.kept('ann')),
  'H1: a sender with a gap sends one'
);
select drip.advance((select jsonb_agg(to_jsonb(m) || '{"outcome": "sent"}') from m));
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'H1: and the next one after the gap');
select is(
  (
    select l.next_slot_at between '2026-03-02T09:01:00Z' and '2026-03-02T09:19:00Z' and l.ready_at = l.next_slot_at
    from drip_core.lanes as l
    where l.organization_id = drip_test.org() and l.slot_reason = 'pacing'
  ), true, 'H1: which begins when it is settled, for messages as well'
);
select drip_test.at('2026-03-02T09:20:00Z');
truncate m;
insert into m select c.* from drip.claim(organization_id => drip_test.org()) as c;
select is((select count(*) from m), 1::bigint, 'H1: then it goes out');

-- crashes
select drip.hand_over((select jsonb_agg(to_jsonb(m)) from m));
select drip_test.at('2026-03-02T10:00:00Z');
select drip.tick();
select
  is(
    (select string_agg(t.status, ' ' order by t.created_at, t.status) from drip.list_tests(drip_test.org()) as t),
    'sent sent unknown',
    'X1: what was handed over is not repeated'
  );
-- who answered STOP gets no tests either
select is(
  pg_temp.refused('intro', 'Me@A.example'),
  'PT409 | the address is suppressed | to_address: whoever has it does not want to be written to, or cannot be', 'H4: not after a STOP'
);
select drip.reconsent(
  drip_test.org(), drip_test.kept('me'), 'email', '{"source": "test", "occurred_at": "2026-03-02T09:30:00Z", "basis": "asked for it"}'
);
truncate m;
select drip.send_test(drip_test.org(), 'welcome', 'intro', drip_test.kept('ann'), 'me@a.example');
insert into m select c.* from drip.claim(organization_id => drip_test.org()) as c;
select drip_test.at('2026-03-02T10:10:00Z');
select is((select m2.claim_token > m.claim_token from drip.claim(organization_id => drip_test.org()) as m2, m), true, 'X1: what was not is due again');
select is(drip.release((
  select jsonb_agg(to_jsonb(c)) from drip_core.test_messages as t cross join
    lateral (
      select
        t.organization_id,
        t.id as enrollment_id,
        t.claim_token
    ) as c
  where t.status = 'in_flight'
)), 1, 'a stopping runner gives it back');

-- erasure, limit and retention
truncate m;
insert into m select c.* from drip.claim(organization_id => drip_test.org()) as c;
select drip.advance((
  select jsonb_agg(to_jsonb(m) || '{"outcome": "retry", "error_message": "ann@example.net is odd", "provider_message_id": "ann@example.net"}')
  from m
));
select is(
  (
    select string_agg(t.status || ' ' || t.error_message, ', ') from drip.list_tests(drip_test.org()) as t
    where t.error_message ~ 'ann@'
  ),
  'waiting ann@example.net is odd', 'a test is tried again'
);
select drip.erase_contact(drip_test.org(), drip_test.kept('ann'));
select is_empty($$ select from drip_core.test_messages as t where t::text ~ 'ann@' $$, 'X7: no test names an erased person');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'X7: no test shows an erased person');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann2'));
do $$ begin perform drip.send_test(drip_test.org(), 'welcome', 'intro', drip_test.kept('ann'), 'me@a.example') from generate_series(1, 96); end $$;
select is(
  pg_temp.refused('intro', 'me@a.example'), 'PT409 | too many tests today | 100 tests were sent since midnight in UTC', 'H2: there is a limit for a day'
);
-- removing a member takes its tests, and gives none back
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-0000000000ff', 'other@a.example');
select drip.remove_member(drip_test.org(), m.profile_id) from drip_core.members as m
where m.organization_id = drip_test.org() and m.email = 'other@a.example';
delete from drip_core.test_messages
where organization_id = drip_test.org() and id in (
    select t.id from drip_core.test_messages as t
    where t.organization_id = drip_test.org()
    order by t.id limit 50
  );
select is(
  pg_temp.refused('intro', 'me@a.example'), 'PT409 | too many tests today | 100 tests were sent since midnight in UTC', 'H2: what is deleted still counts'
);
update drip_core.test_messages set status = 'sent', due_at = null, settled_at = created_at, claim_token = null;
select drip_test.at('2026-04-03T00:00:00Z');
select is(drip.tick() ->> 'tests_purged', '50', 'they are kept for thirty days');
select drip_test.no_violations();
select * from finish();
rollback;
