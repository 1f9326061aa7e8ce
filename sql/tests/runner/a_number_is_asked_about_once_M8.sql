-- Whether a number is on WhatsApp is asked once per contact and number; one that is not costs its own step, and nothing else.
begin;
select plan(26);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.keep('line', drip_test.phone_line(drip_test.org(), 'line', 'whatsapp_lite', '{"min_gap": null, "max_gap": null}'));
select drip_test.email_sequence(drip_test.org(), 'mixed', 1, '{"steps": [
  {"key": "chat", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"},
  {"key": "mail", "channel": "email", "subject": "Hi", "text": "Hi"},
  {"key": "bye", "channel": "whatsapp_lite", "delay": "1 day", "text": "Bye {{ contact.first_name }}"}]}');
select drip_test.email_sequence(drip_test.org(), 'chats', 1, '{"steps": [
  {"key": "one", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"},
  {"key": "two", "channel": "whatsapp_lite", "text": "Hi {{ contact.first_name }}"}]}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"first_name": "Ann", "phone": "+4915112345678"}'));
select drip_test.enrolled(drip_test.org(), 'mixed', array[drip_test.kept('ann')]);

-- the claim at hand, as a provider names it
create function pg_temp.recall(p_claims jsonb) returns jsonb language sql as $$
  select drip.recipient_check(drip_test.org(), (p_claims -> 0 ->> 'enrollment_id')::bigint, (p_claims -> 0 ->> 'claim_token')::bigint);
$$;
create function pg_temp.remember(p_claims jsonb, p_result jsonb) returns boolean language sql as $$
  select drip.record_recipient_check(
    drip_test.org(), (p_claims -> 0 ->> 'enrollment_id')::bigint, (p_claims -> 0 ->> 'claim_token')::bigint, p_result);
$$;
create temporary table t (name text primary key, claims jsonb) on commit drop;

insert into t select
  'first',
  drip_test.claims(drip_test.org());
select is(pg_temp.recall(claims), null, 'nobody has asked about the number yet') from t;
select ok(pg_temp.remember(claims, '{"reachable": false}'), 'the answer is kept') from t;
select is(pg_temp.recall(claims), '{"reachable": false}', 'and found again') from t;
select ok(not pg_temp.remember(jsonb_set(claims, '{0,claim_token}', '-1'), '{"reachable": true}'), 'a claim that is over keeps nothing') from t;
select is(pg_temp.recall(jsonb_set(claims, '{0,claim_token}', '-1')), null, 'and recalls nothing') from t;
select is(
  drip_test.report(claims, 'rejected', '{"reason": "not_on_whatsapp", "error_code": "not_on_whatsapp"}'), 'deferred',
  'the refusal is left to the next claim'
) from t;
select is(
  drip_test.place(drip_test.org(), drip_test.enrollment('ann')), 'active chat, attempt 0, due 2026-03-02 09:00', 'no attempt is burned'
);
select is(drip_test.settle('sent', drip_test.org()), '{}', 'which sends nothing to the number');
select is(drip_test.settle('sent', drip_test.org()), '{"advanced": 1}', 'but the mail after it');
select is(
  drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled attempt_failed skipped sent', 'M8: the step is skipped, with its reason'
);
select is(
  (
    select string_agg(v.reason::text, ' ') from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type = 'skipped'
  ),
  'not_on_whatsapp', 'G4: a typed one'
);
select is(drip_test.books(drip_test.org(), 'line'), 'used 0: 0 leased, 0 held, 0 sent', 'M6: the sender has its capacity back');
select is(
  (
    select count(*) from drip_core.sender_hours as h
    where h.organization_id = drip_test.org() and h.refused > 0
  ),
  0::bigint, 'and its record is clean'
);
select is(
  (
    select count(*) from drip_core.suppressions as s
    where s.organization_id = drip_test.org()
  ), 0::bigint, 'nothing is suppressed: the number is good for other channels'
);

-- the last step could not be delivered either: the enrollment ends there with one event
select drip_test.at('2026-03-03T09:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{}', 'the last step is not claimed');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('ann')), 'failed/not_on_whatsapp', 'M8: nothing is left that could be delivered');

-- another sequence does not ask again, nor walk through its steps
select drip_test.enrolled(drip_test.org(), 'chats', array[drip_test.kept('ann')]);
select is(drip_test.settle('sent', drip_test.org()), '{}', 'the claim knows');
select is(drip_test.events(drip_test.org(), drip_test.enrollment('ann')), 'enrolled failed', 'M8: with one event');

-- another number is another question; so is a refusal of long ago
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "phone": "+4915187654321"}');
select drip.retry_failed(drip_test.org(), array[drip_test.enrollment('ann')]);
insert into t select
  'second',
  drip_test.claims(drip_test.org());
select is(pg_temp.recall(claims), null, 'another number is asked about anew') from t
where name = 'second';
select pg_temp.remember(claims, '{"reachable": true, "provider_address": "4915187654321@c.us"}') from t
where name = 'second';
select drip_test.report(claims) from t
where name = 'second';
insert into t select
  'third',
  drip_test.claims(drip_test.org());
select is(pg_temp.recall(claims), '{"reachable": true, "provider_address": "4915187654321@c.us"}', 'and then known, in every message')
from t
where name = 'third';
select is(
  drip.export_contact(drip_test.org(), drip_test.kept('ann')) -> 'address_checks' -> 0 ->> 'provider_address', '4915187654321@c.us',
  'what is known is the person''s, too'
);
update drip_core.address_checks as k set is_reachable = false, checked_at = drip_core.now() - interval '91 days'
where k.organization_id = drip_test.org();
select is(pg_temp.recall(claims), null, 'a refusal is asked about again after 90 days') from t
where name = 'third';

-- a provider that says so without having kept it: no loop
select
  is(
    drip_test.report(claims, 'rejected', '{"reason": "not_on_whatsapp"}'), 'failed', 'X3: what was not kept ends here and now'
  )
from t
where name = 'third';
select matches(
  drip_test.error_of($$select drip.record_recipient_check(drip_test.org(), 1, 1, '{"reachable": "yes"}')$$), '^PT422', 'nonsense is refused'
);
select matches(drip_test.error_of($$select drip.recipient_check(-1, 1, 1)$$), '^PT404 \| organization not found', 'H2: nothing of others is found');
select drip_test.no_violations();
select * from finish();
rollback;
