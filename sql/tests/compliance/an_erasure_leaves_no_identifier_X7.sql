-- A person whose identifiers were planted wherever the API can write: after the erasure a scan of every column finds none.
begin;
select plan(25);
create function pg_temp.found(p_words text[])
returns text
language plpgsql
as $$
declare
  v_table regclass;
  v_hits text[] := '{}';
  v_n bigint;
begin
  for v_table in
    select c.oid::regclass from pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname not in ('migrations', 'members')
    order by c.relname
  loop
    execute format('select count(*) from %s as t where drip_core._mentions(t::text, $1)', v_table) into v_n using p_words;
    if v_n > 0 then
      v_hits := v_hits || format('%s %s', split_part(v_table::text, '.', 2), v_n);
    end if;
  end loop;
  return array_to_string(v_hits, ', ');
end;
$$;

select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.mailbox(drip_test.org(), 'box-2');
select drip_test.email_sequence(drip_test.org(), 'done', 1, '{"senders": [{"account": "box"}]}');
select drip_test.email_sequence(drip_test.org(), 'broken', 1, '{"senders": [{"account": "box"}]}');
select drip_test.email_sequence(drip_test.org(), 'held', 2, '{"senders": [{"account": "box"}]}');
select drip_test.email_sequence(drip_test.org(), 'late', 2, '{"senders": [{"account": "box"}]}');
select drip_test.email_sequence(drip_test.org(), 'paused', 2, '{"senders": [{"account": "box"}]}');
select drip_test.email_sequence(drip_test.org(), 'blocked', 2, '{"senders": [{"account": "box-2"}]}');
select drip_test.email_sequence(drip_test.org(), 'flying', 2, '{"senders": [{"account": "box"}]}');
select drip_test.keep('zoe', drip.upsert_contact(drip_test.org(), '{"external_id": "crm-zq77", "email": "zoe.old@example.org", "phone": "+49301237788",
  "first_name": "Zoëtte", "last_name": "Quarkschmidt", "company": "Quarkschmidt Ltd", "tags": ["vip-quarkschmidt"],
  "attributes": {"nick": "quarkschmidt", "nested": {"mail": "zoe.old@example.org"}}, "consent": {"whatsapp_lite": "opted_in"}}'));
select
  drip.upsert_deal(
    drip_test.org(), '{"external_id": "deal-quarkschmidt", "contact_external_id": "crm-zq77", "name": "Kitchen for Quarkschmidt", "stage": "new"}'
  );
select drip_test.keep('done', enrollment_id) from drip.enroll(drip_test.org(), 'done', drip_test.kept('zoe'), source => 'form of Quarkschmidt');
select drip_test.settle(extra => '{"provider_message_id": "true_49301237788@c.us_1"}');
select drip_test.keep('broken', enrollment_id) from drip.enroll(drip_test.org(), 'broken', drip_test.kept('zoe'));
select drip_test.settle('rejected', extra => '{"reason": "invalid_address", "error_code": "550", "error_message": "no mailbox zoe.old@example.org"}');
select drip.upsert_contact(drip_test.org(), '{"external_id": "crm-zq77", "email": "zoe@example.org"}');
select drip_test.keep('held', enrollment_id) from drip.enroll(drip_test.org(), 'held', drip_test.kept('zoe'));
select drip_test.report(drip_test.claims(drip_test.org()), 'unknown', '{"error_message": "lost zoe@example.org"}');
select drip_test.keep('late', enrollment_id) from drip.enroll(drip_test.org(), 'late', drip_test.kept('zoe'));
create temporary table late on commit drop as select drip_test.claims(drip_test.org()) as claims;
select drip_test.report(claims, 'retry', '{"error_message": "try zoe@example.org later"}') from late;
select drip_test.report(claims, 'rejected', '{"error_message": "stale zoe@example.org", "provider_message_id": "x zoe@example.org"}') from late;
select drip_test.keep('paused', enrollment_id) from drip.enroll(drip_test.org(), 'paused', drip_test.kept('zoe'));
select drip.pause_enrollment(drip_test.org(), drip_test.kept('paused'), 'Quarkschmidt called');
select drip_test.keep('blocked', enrollment_id) from drip.enroll(drip_test.org(), 'blocked', drip_test.kept('zoe'));
select drip_test.report(drip_test.claims(drip_test.org()), 'sender_error', '{"error_message": "refused zoe@example.org"}');
select drip.suppress(drip_test.org(), 'whatsapp_lite', '+49301237788', 'manual', '{"note": "Quarkschmidt asked", "sequence_key": "done"}');
select
  drip.reconsent(
    drip_test.org(),
    drip_test.kept('zoe'),
    'whatsapp_lite',
    '{"source": "Quarkschmidt", "source_ref": "zoe@example.org", "user_agent": "zoe", "who": "Quarkschmidt"}'
  );
select drip_test.keep('flying', enrollment_id) from drip.enroll(drip_test.org(), 'flying', drip_test.kept('zoe'));
create temporary table flying on commit drop as select drip_test.claims(drip_test.org()) as claims;
-- what came in: letters, reports, hits, a reaction that failed
select drip.record_inbound(drip_test.org(), '{"channel": "email", "from_address": "Zoe Quarkschmidt <zoe@example.org>", "subject": "Quarkschmidt",
  "text": "Yours, Zoëtte", "headers": {"X-Name": "zoe"}, "external_id": "zoe-1", "in_reply_to": ["<zoe@example.org>"]}') is not null;
select
  drip.record_inbound(
    drip_test.org(), '{"channel": "whatsapp_lite", "from_address": "+49301237788", "text": "Hi", "external_id": "true_49301237788@c.us_5"}'
  ) is not null;
select drip.record_provider_event(drip_test.org(), '{"provider_message_id": "true_49301237788@c.us_1", "type": "clicked", "external_id": "zoe-e",
  "reason": "zoe", "detail": {"recipient": "zoe.old@example.org", "url": "https://x.example/?u=zoe", "user_agent": "zoe"}}') = 'recorded';
select drip.record_provider_event(
  drip_test.org(), '{"provider_message_id": "true_49301237788@c.us_8", "type": "delivered", "detail": {"x": "zoe"}}'
) = 'parked';
select drip.record_provider_event(drip_test.org(), '{"message_token": "to zoe@example.org", "type": "delivered"}') = 'unknown';
select drip.record_open(drip.get_message(drip_test.org(), drip_test.kept('done'), 's1') ->> 'link_token', 'phone of zoe', '192.0.2.1');
select drip_core._note_failure(
  drip_test.org(), 'tag', drip_test.kept('zoe'), drip_test.kept('zoe'), null, null, null,
  '{"tags": ["vip-quarkschmidt"]}', clock_timestamp(), 'XX000', 'failed for zoe'
);
insert into drip_core.address_checks (organization_id, contact_id, channel, address_hash, is_reachable, provider_address, channel_account_id)
select
  drip_test.org(),
  drip_test.kept('zoe'),
  'whatsapp_lite',
  '\x00',
  true,
  '49301237788@c.us',
  min(a.channel_account_id)
from drip.list_channel_accounts(drip_test.org()) as a;
-- a month whose facts are being copied
select drip_core._make_reduced_partition('events_2020_01_facts', '2020-01-01Z', '2020-02-01Z');
insert into drip_core.reduced_events
select (jsonb_populate_record(v, '{"recorded_at": "2020-01-05T00:00:00Z"}')).*
from drip_core.events as v
where v.organization_id = drip_test.org() and v.enrollment_id = drip_test.kept('done') and v.type = 'enrolled';
select drip_test.keep('facts', count(*))
from drip_core.events as v
where v.organization_id = drip_test.org() and v.type in ('enrolled', 'sent', 'attempt_failed', 'held');

select is(
  (
    select string_agg(k.table_name, ' ' order by k.table_name)
    from regexp_split_to_table(pg_temp.found(array['zoe', 'quarkschmidt', '49301237788', 'crm-zq77']), ', ') as t (hit)
    cross join lateral (select split_part(t.hit, ' ', 1) as table_name) as k
  ),
  'address_checks consent_ledger contact_tags contacts deals enrollments events held_messages inbound_messages lanes late_results messages provider_events '
  || 'reaction_failures reduced_events suppressions tracking_hits',
  'X7: the person is known in all these places'
);
select is(
  (
    select
      concat_ws(
        ' ', jsonb_array_length(x -> 'enrollments'), jsonb_array_length(x -> 'messages'), x -> 'contact' ->> 'email', x -> 'deals' -> 0 ->> 'name',
        x -> 'tags' -> 0 ->> 'tag', x -> 'consent' -> 0 ->> 'state', jsonb_array_length(x -> 'unsettled_messages'),
        drip_test.without_footer(x -> 'messages' -> 0 ->> 'text_body')
      ) from drip.export_contact(drip_test.org(), drip_test.kept('zoe')
      ) as x
  ),
  '7 2 zoe@example.org Kitchen for Quarkschmidt vip-quarkschmidt opted_in 2 Hello Zoëtte, this is message 1.',
  'everything that is held can be exported'
);
select is(
  (select count(*) from jsonb_array_elements(drip.export_contact(drip_test.org(), drip_test.kept('zoe')) -> 'events')),
  (
    select count(*) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.contact_id = drip_test.kept('zoe')
  ),
  'with the whole history'
);
set local role drip_app;
select is(drip_test.error_of($$select drip.erase_contact(drip_test.org(), drip_test.kept('zoe'), 'letter of Quarkschmidt')$$), 'no error', 'she is erased');
select is(drip_test.error_of($$select drip.erase_contact(drip_test.org(), drip_test.kept('zoe'))$$), 'no error', 'a repeat changes nothing');
reset role;
select is(pg_temp.found(array['zoe', 'quarkschmidt', '49301237788', 'crm-zq77']), '', 'X7: no column of any table knows her');
-- what comes late is counted and names nobody
select is(
  drip_test.report(claims, 'sent', '{"provider_message_id": "true_49301237788@c.us_2", "error_message": "for zoe@example.org"}'), 'advanced',
  'X7: the message in flight is settled'
) from flying;
select drip_test.report(claims, 'retry', '{"provider_message_id": "true_49301237788@c.us_2", "error_message": "for zoe@example.org"}') from flying;
select is(
  drip.resolve_unknown(drip_test.org(), drip_test.kept('held'), (
    select h.claim_token from drip_core.held_messages as h
    where h.organization_id = drip_test.org() and h.enrollment_id = drip_test.kept('held')
  ), 'sent')::text, 'advanced', 'X7: so is the held one'
);
select is(
  drip.record_provider_event(drip_test.org(), '{"provider_message_id": "true_49301237788@c.us_1", "type": "opened", "external_id": "zoe-late",
    "detail": {"recipient": "zoe@example.org"}}'), 'recorded', 'X7: a late report is counted'
);
select is(
  drip.record_provider_event(drip_test.org(), '{"provider_message_id": "nobody-knows", "type": "opened", "detail": {"recipient": "zoe@example.org"}}'),
  'parked', 'X7: so is one of no message, about her address'
);
select
  drip.record_inbound(
    drip_test.org(), '{"channel": "email", "from_address": "zoe.old@example.org", "text": "Zoëtte again", "external_id": "zoe-2"}'
  ) is not null;
-- nobody's message, and her name where no recipient is looked for: in ids, in words, in fields of a provider's own
select is(
  (
    select string_agg(drip.record_provider_event(drip_test.org(), e.event), ' ' order by e.ordinal)
    from jsonb_array_elements('[
      {"provider_message_id": "true_49301237788@c.us_99", "type": "delivered"},
      {"provider_message_id": "p1", "type": "bounced", "reason": "550 5.1.1 <zoe@example.org>: unknown"},
      {"provider_message_id": "p2", "type": "delivered", "external_id": "ev/zoe.old@example.org/7"},
      {"provider_message_id": "p3", "type": "clicked", "detail": {"smtp": {"to": ["Zoe@Example.org."]}, "url": "https://x.example"}},
      {"provider_message_id": "p4", "type": "delivered", "detail": {"wa_id": "49301237788"}},
      {"message_token": "zoe@example.org", "type": "opened", "detail": {"ip": "192.0.2.1"}}
    ]') with ordinality as e (event, ordinal)
  ), 'parked parked parked parked parked unknown', 'X7: reports that name her are counted, wherever they do'
);
select is(
  drip.record_provider_event(
    drip_test.org(), '{"provider_message_id": "p2", "type": "delivered", "external_id": "ev/zoe.old@example.org/7"}'
  ), 'duplicate', 'X7: once'
);
select is(
  drip.record_provider_event(drip_test.org(), '{"provider_message_id": "p5", "type": "delivered", "detail": {"to": "bob@example.org", "n": "4930123"}}'),
  'parked', 'a report of somebody else is'
);
select is(
  (
    select p.detail ->> 'to' from drip_core.provider_events as p
    where p.organization_id = drip_test.org() and p.provider_message_id = 'p5'
  ),
  'bob@example.org', 'kept as it came'
);
select isnt(
  drip.record_inbound(drip_test.org(), '{"channel": "email", "from_address": "MAILER-DAEMON@mx.example", "subject": "failure notice",
    "text": "<zoe@example.org>: no such user", "external_id": "dsn-9"}'), null, 'X7: a mail system''s letter about her lands'
);
select drip.record_click(drip.get_message(drip_test.org(), drip_test.kept('done'), 's1') ->> 'link_token', 1, 'phone of zoe', '192.0.2.1') is null;
select drip.record_open(drip.get_message(drip_test.org(), drip_test.kept('done'), 's1') ->> 'link_token', 'phone of zoe', '192.0.2.1');
select is(pg_temp.found(array['zoe', 'quarkschmidt', '49301237788', 'crm-zq77']), '', 'X7: what arrives late leaves no identifier');
select drip_test.at(drip_core.now() + interval '4 days');
select drip.tick();
select is(pg_temp.found(array['zoe', 'quarkschmidt', '49301237788', 'crm-zq77']), '', 'X7: nor when it was looked for and given up');
select is(
  (
    select count(*) from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type in ('enrolled', 'sent', 'attempt_failed', 'held')
  ),
  drip_test.kept('facts') + 2, 'X7: the statistics stay'
);
select is(drip_test.state(drip_test.org(), drip_test.kept('flying')), 'removed/erased', 'open enrollments end as removed');
select is(
  (
    select concat_ws('/', x ->> 'purged', x ->> 'to_address', x ->> 'text_body', x ->> 'status')
    from drip.get_message(drip_test.org(), drip_test.kept('done'), 's1') as x
  ),
  'true/sent', 'her messages are there without words'
);
-- a re-import, with either address or the number
select drip_test.keep('new', drip.upsert_contact(drip_test.org(), '{"external_id": "crm-zq77", "email": "Zoe@example.org"}'));
select drip_test.keep('old', drip.upsert_contact(drip_test.org(), '{"external_id": "other", "email": "zoe.old@example.org"}'));
select isnt(drip_test.kept('new'), drip_test.kept('zoe'), 'X7: an import makes a new contact');
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'done', drip_test.kept('new')) as r), 'suppressed', 'X7: who was erased cannot be enrolled'
);
select is((select r.outcome::text from drip.enroll(drip_test.org(), 'done', drip_test.kept('old')) as r), 'bounced', 'X7: nor with an address of earlier');
select is(
  drip_test.error_of($$select drip.export_contact(drip_test.org(), drip_test.kept('zoe'))$$),
  'PT404 | contact not found | contact_id: ' || drip_test.kept('zoe'),
  'nothing is left to export'
);
select drip_test.no_violations();
select * from finish();
rollback;
