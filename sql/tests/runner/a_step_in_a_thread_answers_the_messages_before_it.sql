begin;
select plan(10);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [
  {"key": "one", "channel": "email", "subject": "Hi {{ contact.first_name }}", "text": "1"},
  {"key": "two", "channel": "email", "delay": "1 day", "thread": true, "text": "2"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3"},
  {"key": "other", "channel": "email", "delay": "1 day", "subject": "News", "text": "4"},
  {"key": "answer", "channel": "email", "delay": "1 day", "thread": true, "text": "5"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table m (step_key text, subject text, headers jsonb);

create function pg_temp.id(key text) returns text language sql as $$ select m.headers ->> 'Message-ID' from m where m.step_key = id.key $$;
create function pg_temp.send(at timestamptz, extra jsonb default '{}') returns text language plpgsql as $$
declare
  v_claims jsonb;
begin
  perform drip_test.at(send.at);
  select jsonb_agg(to_jsonb(c)) into v_claims from drip.claim(organization_id => drip_test.org()) as c;
  insert into m select c ->> 'step_key', c ->> 'subject', c -> 'headers' from jsonb_array_elements(v_claims) as c;
  return drip_test.report((select jsonb_agg(jsonb_build_object(
    'organization_id', c -> 'organization_id', 'enrollment_id', c -> 'enrollment_id', 'claim_token', c -> 'claim_token'))
    from jsonb_array_elements(v_claims) as c), 'sent', send.extra);
end;
$$;

select pg_temp.send('2026-03-02T09:00Z');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "first_name": "Zoe"}');
select pg_temp.send('2026-03-03T09:00Z', '{"provider_message_id": "<abc@provider.example>"}');
select pg_temp.send('2026-03-04T09:00Z');
select pg_temp.send('2026-03-05T09:00Z');
select pg_temp.send('2026-03-06T09:00Z');

select is(m.headers - array['Message-ID', 'List-Unsubscribe', 'List-Unsubscribe-Post', 'X-Auto-Response-Suppress'], '{}', 'the first one answers nothing')
from m
where m.step_key = 'one';
select is(m.subject, 'Re: Hi Ann', 'the second one has the subject as it was sent, whatever the contact is called now') from m
where m.step_key = 'two';
select is(m.headers ->> 'In-Reply-To', pg_temp.id('one'), 'it answers the first') from m
where m.step_key = 'two';
select is(m.headers ->> 'References', pg_temp.id('one'), 'and refers to it') from m
where m.step_key = 'two';
select is(m.headers ->> 'In-Reply-To', '<abc@provider.example>', 'the third one answers the second, under the id that the provider gave it')
from m
where m.step_key = 'three';
select is(m.headers ->> 'References', pg_temp.id('one') || ' <abc@provider.example>', 'and refers to both, oldest first') from m
where m.step_key = 'three';
select is(m.subject, 'Re: Hi Ann', 'there is one "Re:", however long the thread') from m
where m.step_key = 'three';
select is(m.subject || coalesce(m.headers ->> 'References', ''), 'News', 'a step without thread begins another one') from m
where m.step_key = 'other';
select is(m.subject || ' ' || (m.headers ->> 'References'), 'Re: News ' || pg_temp.id('other'), 'which later steps answer') from m
where m.step_key = 'answer';
select drip_test.no_violations();

select finish();
rollback;
