-- Headers first, then who wrote it, the subject, the text. What no sign makes a machine's was written by a person.
begin;
select plan(45);
create function pg_temp.class_of(
  subject text, body text, headers jsonb default '{}', from_address text default 'ann@example.net', channel drip.channel default 'email'
)
returns text
language sql
as $$ select drip_core._classify_inbound(class_of.channel, class_of.from_address, class_of.subject, class_of.body, class_of.headers)::text $$;

select is(pg_temp.class_of('Re: Hi', 'Yes, call me.'), 'human', 'G2: a plain answer is a person''s');
select is(pg_temp.class_of(null, null), 'human', 'G2: so is an empty one');
select is(pg_temp.class_of('Re: Hi', 'I am out of stop words, remove nothing.'), 'human', 'words inside a sentence mean nothing');
select is(pg_temp.class_of('Re: Hi', 'Fine.', '{"auto-submitted": "no"}'), 'human', 'X11: Auto-Submitted: no is a person');
select is(pg_temp.class_of('Automatic reply: Hi', 'I am away'), 'out_of_office', 'X11: Outlook');
select is(pg_temp.class_of('Hi', 'Away', '{"auto-submitted": "auto-replied", "precedence": "bulk", "x-autoreply": "yes"}'), 'out_of_office', 'X11: Gmail');
select is(pg_temp.class_of('Hi', 'Away', '{"auto-submitted": "auto-generated", "x-auto-response-suppress": "All"}'), 'out_of_office', 'X11: Exchange');
select is(pg_temp.class_of('Hi', 'Away', '{"x-apple-action": "vacation"}'), 'out_of_office', 'X11: Apple');
select is(pg_temp.class_of('Abwesenheitsnotiz: Hi', 'Bin weg'), 'out_of_office', 'X11: German');
select is(pg_temp.class_of('Réponse automatique : Hi', 'Absent'), 'out_of_office', 'X11: French');
select is(pg_temp.class_of('Respuesta automática: Hi', 'Fuera'), 'out_of_office', 'X11: Spanish');
select is(pg_temp.class_of('Out of office', 'stop'), 'unsubscribe_request', 'a stop word alone counts where no header speaks of a machine');
select is(pg_temp.class_of('Out of office', 'unsubscribe', '{"auto-submitted": "auto-replied"}'), 'out_of_office', 'X11: an absence note never unsubscribes');
select is(
  pg_temp.class_of(
    'Re: Hi', e'I am away.\n\nOn Mon, 1 Dec 2026 at 10:00, Bob <b@x.example> wrote:\n> Stop\n> Unsubscribe: https://x.example/u/1',
    '{"auto-submitted": "auto-replied"}'
  ), 'out_of_office', 'X11: nor does what it quotes'
);
select is(
  pg_temp.class_of('Automatic reply: Unsubscribe from noise', e'Away.\n\n> stop'), 'out_of_office', 'X11: nor the subject that it repeats'
);
select is(pg_temp.class_of('Abwesend', e'\n> stop'), 'out_of_office', 'X11: nor a quote and nothing else');
select is(pg_temp.class_of('Abwesend', '> stop'), 'out_of_office', 'X11: from the first letter on');
select is(pg_temp.class_of('Hi', 'stop', '{"x-apple-action": "vacation"}'), 'out_of_office', 'X11: Apple says so in a header of its own');
select is(pg_temp.class_of('Hi', 'unsubscribe', '{"x-autoreply": "yes"}'), 'auto_reply', 'X11: so do others');
select is(pg_temp.class_of('unsubscribe', 'Away', '{"precedence": "auto_reply"}'), 'auto_reply', 'X11: in the subject, too');
select is(pg_temp.class_of('Hi', 'stop', '{"return-path": "<>"}'), 'auto_reply', 'X11: and the null sender');
select is(pg_temp.class_of('Hi', 'stop', '{"return-path": "<ann@example.net>", "precedence": "bulk"}'), 'unsubscribe_request', 'a person has an address');
select is(pg_temp.class_of('Re: Hi', 'STOP', '{}', 'MAILER-DAEMON@mx.example'), 'delivery_report', 'X11: a mail system asks for nothing');
select is(pg_temp.class_of('Ticket 1', 'We got it', '{"auto-submitted": "auto-generated"}'), 'auto_reply', 'X11: a ticket system');
select is(pg_temp.class_of('Ticket 1', 'We got it', '{"x-autorespond": "x"}'), 'auto_reply', 'X11: an older one');
select is(pg_temp.class_of('Hi', 'Got it', '{"return-path": "<>"}'), 'auto_reply', 'X11: a null sender');
select is(pg_temp.class_of('Hi', 'Got it', '{}', 'no-reply@example.net'), 'auto_reply', 'X11: nobody');
select is(pg_temp.class_of('News', 'Buy', '{"list-id": "<news.example.net>"}'), 'list', 'bulk mail is no answer');
select is(pg_temp.class_of('News', 'Buy', '{"precedence": "bulk"}'), 'list', 'nor is what says bulk');
select is(
  pg_temp.class_of('Undelivered', 'x', '{"content-type": "multipart/report; report-type=delivery-status; boundary=x"}'), 'delivery_report', 'a DSN'
);
select is(pg_temp.class_of('Undelivered', 'x', '{}', 'MAILER-DAEMON@mx.example.net'), 'delivery_report', 'a bounce without type');
select is(pg_temp.class_of('Abuse', 'x', '{"content-type": "multipart/report; report-type=feedback-report"}'), 'complaint', 'an ARF report');
select is(pg_temp.class_of('Re: Hi', 'STOP'), 'unsubscribe_request', 'stop');
select is(pg_temp.class_of('Re: Hi', e' Please remove me! \n'), 'unsubscribe_request', 'a polite one');
select
  is(
    pg_temp.class_of('Re: Hi', e'Unsubscribe.\n\nOn Mon, 1 Dec 2026 at 10:00, Bob <b@x.example> wrote:\n> Hello'), 'unsubscribe_request', 'with what it quotes'
  );
select is(pg_temp.class_of('Re: Hi', e'stop\n\n-- \nAnn\nExample Ltd'), 'unsubscribe_request', 'with a signature');
select is(pg_temp.class_of('unsubscribe', ''), 'unsubscribe_request', 'a mail that a List-Unsubscribe mailto makes');
select is(pg_temp.class_of('Re: Hi', 'cancel'), 'human', 'an answer to a question, in a mail');
select is(pg_temp.class_of(null, 'Cancel', '{}', '+491701234567', 'whatsapp_cloud'), 'unsubscribe_request', 'on a phone it means stop');
select is(pg_temp.class_of(null, 'hello', '{}', '+491701234567', 'whatsapp_lite'), 'human', 'on a phone a person writes');

select is(drip_core._return_date('I am back on 2026-12-03, from 2026-11-20.', '2026-11-24'), '2026-12-03', 'X11: an ISO date');
select is(drip_core._return_date('Ich bin bis 01.12.2026 nicht da', '2026-11-24'), '2026-12-01', 'X11: a German one');
select is(drip_core._return_date('Away until January 5th', '2026-11-24'), '2027-01-05', 'X11: the next one of that name');
select is(drip_core._return_date('Je serai de retour le 2 décembre', '2026-11-24'), '2026-12-02', 'X11: a French one');
select is(
  (drip_core._return_date('Back on 2028-01-01 or 31.02.2026', '2026-11-24'), drip_core._return_date(null, '2026-11-24'))::text,
  '(,)', 'X11: none that could be meant'
);
select * from finish();
rollback;
