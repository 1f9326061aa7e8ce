begin;
select plan(8);
select drip_test.at('2026-03-02 09:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [
  {"key": "one", "channel": "email", "subject": "Hi {{ contact.first_name }}", "text": "1"},
  {"key": "two", "channel": "email", "delay": "1 day", "thread": true, "text": "2"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3"},
  {"key": "news", "channel": "email", "delay": "1 day", "subject": "News", "text": "4"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table m (step_key text, subject text, headers jsonb);

create function pg_temp.id(key text) returns text language sql as $$ select m.headers ->> 'Message-ID' from m where m.step_key = id.key $$;
create function pg_temp.send(at timestamptz) returns text language plpgsql as $$
declare
  v_claims jsonb;
begin
  perform drip_test.at(send.at);
  select jsonb_agg(to_jsonb(c)) into v_claims from drip.claim(organization_id => drip_test.org()) as c;
  insert into m select c ->> 'step_key', c ->> 'subject', c -> 'headers' from jsonb_array_elements(v_claims) as c;
  return drip_test.report((select jsonb_agg(jsonb_build_object(
    'organization_id', c -> 'organization_id', 'enrollment_id', c -> 'enrollment_id', 'claim_token', c -> 'claim_token'))
    from jsonb_array_elements(v_claims) as c));
end;
$$;

select pg_temp.send('2026-03-02 09:00Z');
select pg_temp.send('2026-03-03 09:00Z');
-- another subject, and the messages of the thread have other places
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"steps": [
  {"key": "zero", "channel": "email", "subject": "Before", "text": "0"},
  {"key": "two", "channel": "email", "delay": "1 day", "subject": "A letter of its own", "text": "2"},
  {"key": "one", "channel": "email", "subject": "Dear {{ contact.first_name }}", "text": "1"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3 anew"},
  {"key": "four", "channel": "email", "delay": "1 day", "thread": true, "text": "4"},
  {"key": "news", "channel": "email", "delay": "1 day", "subject": "News", "text": "5"},
  {"key": "answer", "channel": "email", "delay": "1 day", "thread": true, "text": "6"}]}');
select is(m.to_step, 'three', 'ann moves within the thread') from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) as m;
select pg_temp.send('2026-03-04 09:00Z');
select pg_temp.send('2026-03-05 09:00Z');
select is(m.headers ->> 'In-Reply-To', pg_temp.id('two'), 'the step of the new version answers the last message of the old one') from m
where m.step_key = 'three';
select is(m.headers ->> 'References', pg_temp.id('one') || ' ' || pg_temp.id('two'), 'and refers to the thread as it was sent, oldest first') from m
where m.step_key = 'three';
select is(m.subject, 'Re: Hi Ann', 'under the subject as it was sent') from m
where m.step_key = 'three';
select
  is(
    m.headers ->> 'References', concat_ws(' ', pg_temp.id('one'), pg_temp.id('two'), pg_temp.id('three')), 'the next one refers to both versions'
  )
from m
where m.step_key = 'four';
select pg_temp.send('2026-03-06 09:00Z');
select is(m.headers ->> 'References', null, 'another thread is another one') from m
where m.step_key = 'news';
select pg_temp.send('2026-03-07 09:00Z');
select is(m.headers ->> 'References', pg_temp.id('news'), 'and its answers are its own') from m
where m.step_key = 'answer';
select drip_test.no_violations();
select finish();
rollback;
