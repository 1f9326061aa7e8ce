begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'old', '{"address": "old@first.example"}');
select drip_test.mailbox(drip_test.org(), 'new', '{"address": "new@second.example"}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1, '{"senders": [{"account": "old"}], "steps": [
  {"key": "one", "channel": "email", "subject": "Hi", "text": "1"},
  {"key": "two", "channel": "email", "delay": "1 day", "thread": true, "text": "2"},
  {"key": "three", "channel": "email", "delay": "1 day", "thread": true, "text": "3"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
create temporary table m (step_key text, from_address text, headers jsonb);
create function pg_temp.send(at timestamptz) returns text language plpgsql as $$
declare
  v_claims jsonb;
begin
  perform drip_test.at(send.at);
  select jsonb_agg(to_jsonb(c)) into v_claims from drip.claim(organization_id => drip_test.org()) as c;
  insert into m select c ->> 'step_key', c ->> 'from_address', c -> 'headers' from jsonb_array_elements(v_claims) as c;
  return drip_test.report((select jsonb_agg(jsonb_build_object(
    'organization_id', c -> 'organization_id', 'enrollment_id', c -> 'enrollment_id', 'claim_token', c -> 'claim_token'))
    from jsonb_array_elements(v_claims) as c));
end;
$$;
create function pg_temp.of(key text, header text) returns text language sql as $$ select m.headers ->> of.header from m where m.step_key = of.key $$;

select is(pg_temp.send('2026-03-02T09:00Z'), 'advanced', 'the first leaves by the old sender');
select is(drip.replace_sender(drip_test.org(), 'old', 'new'), 1::bigint, 'which is replaced');
select pg_temp.send('2026-03-03T09:00Z');
select pg_temp.send('2026-03-04T09:00Z');
select is(
  (select string_agg(m.from_address, ' ' order by m.step_key = 'three', m.step_key) from m), 'old@first.example new@second.example new@second.example',
  'the thread goes on, openly from the new one'
);
select is(pg_temp.of('two', 'In-Reply-To'), pg_temp.of('one', 'Message-ID'), 'it answers the message that was sent, under the id that it had');
select alike(pg_temp.of('two', 'In-Reply-To'), '%@first.example>', 'of the old domain');
select is(
  pg_temp.of('three', 'References'), pg_temp.of('one', 'Message-ID') || ' ' || pg_temp.of('two', 'Message-ID'), 'and refers to both, each under its own'
);

select finish();
rollback;
