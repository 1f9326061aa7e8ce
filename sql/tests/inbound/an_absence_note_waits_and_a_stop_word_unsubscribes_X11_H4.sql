-- Out of office: a fact of its own, no reply, no unsubscribe; the enrollment waits. Stop words, and mail to the unsubscribe address.
begin;
select plan(31);
select drip_test.organization('A', 'Europe/Berlin');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'box', '{"config": {"unsubscribe_address": "leave@sender.example"}}');
select drip_test.phone_line(drip_test.org(), 'phone', 'whatsapp_lite', '{"min_gap": null, "max_gap": null}');
select drip_test.email_sequence(drip_test.org(), 'mails', 3);
select count(*)
from drip.apply_sequence(
    drip_test.org(),
    '{"key": "chats", "steps": [{"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "text": "Hi"},
    {"key": "s2", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "1 day", "text": "Hi"}]}'
  );
select drip_test.at('2026-11-24 09:00:00+00');
select set_config('drip_test.ids', drip_test.contacts(drip_test.org(), 6, 'c')::text, true);
create function pg_temp.contact(n int)
returns bigint
language sql
as $$ select (current_setting('drip_test.ids')::bigint[])[n] $$;
create temporary table flown (n int, enrollment_id bigint, headers jsonb, link_token text) on commit drop;
select drip_test.enrolled(drip_test.org(), 'mails', array[pg_temp.contact(n)]) from generate_series(1, 6) as n;
create temporary table claimed on commit drop as select * from drip.claim(500, organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)) from claimed as f
));
insert into flown
select
  n,
  c.enrollment_id,
  c.headers,
  c.link_token
from generate_series(1, 6) as n
inner join drip_core.enrollments as e on e.organization_id = drip_test.org() and e.contact_id = pg_temp.contact(n)
inner join claimed as c on e.id = c.enrollment_id;
create function pg_temp.mail(n int, body text, extra jsonb default '{}')
returns bigint
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'c' || mail.n || '@example.net', 'text', mail.body, 'subject', 'Re: Subject 1',
    'in_reply_to', jsonb_build_array(f.headers ->> 'Message-ID')) || mail.extra)
  from flown as f
  where f.n = mail.n
$$;
create function pg_temp.place(n int)
returns text
language sql
as $$ select drip_test.place(drip_test.org(), f.enrollment_id) from flown as f where f.n = place.n $$;
create function pg_temp.events(n int)
returns text
language sql
as $$ select drip_test.events(drip_test.org(), f.enrollment_id) from flown as f where f.n = events.n $$;

select is(pg_temp.place(1), 'active s2, attempt 0, due 2026-11-25 09:00', 'the next step is due tomorrow');
select pg_temp.mail(1, 'I am away, back on 2026-12-03.', '{"headers": {"Auto-Submitted": "auto-replied"}}');
select is(pg_temp.place(1), 'active s2, attempt 0, due 2026-12-03 08:00', 'X11: it waits until nine in the morning of the day named, there');
select is(pg_temp.events(1), 'enrolled sent auto_replied', 'X11: no reply, no unsubscribe');
select results_eq(
  $$ select w.verdict, w.detail from flown as f cross join lateral drip.why(drip_test.org(), f.enrollment_id) as w where f.n = 1 and w.rule = 'step' $$,
  $$ values ('s2', 'attempt 1, due 2026-12-03 08:00:00+00, put off: auto_replied') $$, 'X11: why says so'
);
select pg_temp.mail(1, 'I am away.', '{"headers": {"Auto-Submitted": "auto-replied"}}');
select is(pg_temp.place(1), 'active s2, attempt 0, due 2026-12-03 08:00', 'X11: a second note brings it no nearer');
select pg_temp.mail(2, 'I am away.', '{"subject": "Automatic reply: Subject 1"}');
select is(pg_temp.place(2), 'active s2, attempt 0, due 2026-11-27 09:00', 'X11: three days where no day is named');
select pg_temp.mail(3, 'We have received your message.', '{"headers": {"X-Autorespond": "ticket"}}');
select
  is(
    pg_temp.place(3) || ' ' || pg_temp.events(3),
    'active s2, attempt 0, due 2026-11-25 09:00 enrolled sent auto_replied',
    'X11: a ticket system makes nobody wait'
  );
select is(
  (
    select o.reply_rate from drip_report.sequence_overview as o
    where o.organization_id = drip_test.org() and o.sequence_key = 'mails'
  ), 0.0,
  'G2: automatic answers are no replies'
);
select drip_test.at('2026-11-26 09:00:00+00');
select is(drip_test.settle(), '{"advanced": 4}', 'X11: the others go on');

-- a stop word
select pg_temp.mail(4, E'Stop!\n\n> Hello');
select is(drip_test.state(drip_test.org(), f.enrollment_id), 'unsubscribed/unsubscribed', 'H4: a stop word unsubscribes') from flown as f
where f.n = 4;
select is(pg_temp.events(4), 'enrolled sent sent replied unsubscribed', 'G2: it is a person''s answer, and an unsubscribe');
select is(
  (
    select l.source || ' ' || l.state from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org() and l.contact_id = pg_temp.contact(4)
  ),
  'stop_word opted_out', 'H4: the ledger says how'
);
select results_eq($$ select r.outcome::text from drip.enroll(drip_test.org(), 'mails', pg_temp.contact(4)) as r $$, array['opted_out'], 'H4: it holds');

-- the mailbox of List-Unsubscribe
select
  is(
    f.headers ->> 'List-Unsubscribe',
    '<https://mail.example.com/u/' || f.link_token || '>, <mailto:leave@sender.example?subject=unsubscribe%20' || f.link_token || '>',
    'RFC 2369: the header names both ways'
  )
from flown as f
where f.n = 5;
select
  drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'alias@elsewhere.example', 'to_address', 'leave@sender.example', 'subject', 'unsubscribe ' || f.link_token
  )) is not null
from flown as f
where f.n = 5;
select is(drip_test.state(drip_test.org(), f.enrollment_id), 'unsubscribed/unsubscribed', 'a mail there unsubscribes whom the message went to')
from flown as f
where f.n = 5;
select is(pg_temp.events(5), 'enrolled sent sent unsubscribed', 'G2: a mail client''s request is no reply');
select is(
  (
    select l.source from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org() and l.contact_id = pg_temp.contact(5)
  ),
  'mailto',
  'and the ledger says how'
);
select results_eq(
  $$
    select r.outcome::text
    from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'alias', '{"email": "alias@elsewhere.example"}')) as r $$,
  array['opted_out'], 'whoever wrote it is not written to either'
);
-- a mail program that says that it wrote the mail, as RFC 3834 would have it
select drip_test.keep('fay', (drip_test.enrolled(drip_test.org(), 'mails', array[drip_test.contact(drip_test.org(), 'fay')]))[1]);
create temporary table fays on commit drop as select * from drip.claim(500, organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)) from fays as f
));
create function pg_temp.about_fay(subject text, headers jsonb)
returns text
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'fay@example.net', 'to_address', 'leave@sender.example', 'headers', about_fay.headers,
    'text', about_fay.headers::text, 'subject', format(about_fay.subject, f.link_token)))::text
  from fays as f where f.enrollment_id = drip_test.kept('fay')
$$;
select pg_temp.about_fay('Automatic reply: unsubscribe %s', '{"Auto-Submitted": "auto-replied"}') is not null;
select pg_temp.about_fay('unsubscribe %s', '{"Auto-Submitted": "auto-replied"}') is not null;
select is(drip_test.state(drip_test.org(), drip_test.kept('fay')), 'active/-', 'X11: an absence note with such a subject unsubscribes nobody');
select pg_temp.about_fay('unsubscribe %s', '{"Auto-Submitted": "auto-generated"}') is not null;
select is(drip_test.state(drip_test.org(), drip_test.kept('fay')), 'unsubscribed/unsubscribed', 'H4: a mail that a program made of the header does');
select is(
  drip_test.events(drip_test.org(), drip_test.kept('fay')), 'enrolled sent auto_replied auto_replied unsubscribed', 'G2: and is no reply'
);
-- the message token is no key to it: third parties see it
select
  drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'x@elsewhere.example', 'to_address', 'leave@sender.example', 'text', 'hm',
    'subject', 'forward ' || substring(f.headers ->> 'Message-ID' from '[0-9a-f]{66}')
  )) is not null
from flown as f
where f.n = 6;
select is(drip_test.state(drip_test.org(), f.enrollment_id), 'active/-', 'a message token unsubscribes nobody') from flown as f
where f.n = 6;

-- a stranger's stop is kept: whoever gets the address later is not written to
select drip.record_inbound(drip_test.org(), '{"channel": "email", "from_address": "New Person <new@example.net>", "text": "unsubscribe"}') is not null;
select results_eq(
  $$ select r.outcome::text from drip.enroll(drip_test.org(), 'mails', drip_test.contact(drip_test.org(), 'new')) as r $$, array['opted_out'],
  'H4: a stop before the contact is there counts'
);

-- on a phone
select drip_test.keep('dora', drip_test.contact(drip_test.org(), 'dora', '{"phone": "+491701234567"}'));
select drip_test.keep('chat', (drip_test.enrolled(drip_test.org(), 'chats', array[drip_test.kept('dora')]))[1]);
select drip_test.keep('mail', (drip_test.enrolled(drip_test.org(), 'mails', array[drip_test.kept('dora')]))[1]);
select drip_test.settle();
select drip.record_inbound(drip_test.org(), '{"channel": "whatsapp_lite", "from_address": "+49 170 1234567", "text": "STOP"}') is not null;
select is(drip_test.state(drip_test.org(), drip_test.kept('chat')), 'unsubscribed/unsubscribed', 'H4: stop on a phone');
select is(drip_test.state(drip_test.org(), drip_test.kept('mail')), 'active/-', 'says nothing of mail');
select is(
  (
    select string_agg(x.channel::text, ' ' order by x.channel)
    from drip_core.suppressions as x
    inner join drip_core.contacts as c on x.organization_id = c.organization_id and x.address_hash = c.phone_hash
    where c.id = drip_test.kept('dora') and c.organization_id = drip_test.org()
  ),
  'whatsapp_cloud whatsapp_lite', 'and holds for every way to reach the phone'
);

-- of an erased person nothing is written down again
select drip.erase_contact(drip_test.org(), pg_temp.contact(6));
select pg_temp.mail(6, 'Who are you?', '{"from_address": "c6@example.net"}') is not null;
select is(
  (
    select count(*) from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and (i.from_address like '%c6@example%' or i.text_body = 'Who are you?')
  ),
  0::bigint,
  'X7: a letter of an erased person leaves no words'
);
select drip.erase_contact(drip_test.org(), pg_temp.contact(4));
select is(
  (
    select count(*) from drip_core.inbound_messages as i
    where i.organization_id = drip_test.org() and i::text ~ 'c4@example|Stop!'
  ),
  0::bigint,
  'X7: an erasure empties what was written'
);
select isnt(drip.export_contact(drip_test.org(), pg_temp.contact(1)) -> 'inbound_messages' -> 1 ->> 'text', null, 'what a person wrote is in its export');
select is((
  select count(*) from drip_core.reaction_failures as f
  where f.organization_id = drip_test.org()
), 0::bigint, 'no reaction failed');
select drip_test.no_violations();
select * from finish();
rollback;
