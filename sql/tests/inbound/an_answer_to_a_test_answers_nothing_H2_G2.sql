-- Whoever gets a test may be a contact as well; and may be no member any more when the answer comes.
begin;
select plan(5);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.keep('mia', drip_test.contact(drip_test.org(), 'mia'));
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'mia@example.net');
select drip_test.keep('e', (drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.kept('mia')]))[1]);
create temporary table flown on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip.advance((select jsonb_agg(to_jsonb(f) || '{"outcome": "sent"}') from flown as f));
select drip.send_test(drip_test.org(), 'welcome', 's2', drip_test.kept('mia'), 'mia@example.net');
create temporary table test on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip.advance((select jsonb_agg(to_jsonb(t) || '{"outcome": "sent"}') from test as t));
select is((select string_agg(t.is_test::text, ' ') from test as t), 'true', 'a test was sent');

create function pg_temp.answer(p_external_id text, p_to text)
returns text
language sql
as $$
  select drip.record_inbound(drip_test.org(), jsonb_build_object(
    'channel', 'email', 'from_address', 'mia@example.net', 'to_address', 'box@sender.example', 'text', 'looks good', 'external_id', p_external_id,
    'in_reply_to', jsonb_build_array(p_to)));
  select concat_ws(' ', i.state, coalesce(i.attributed_by, 'no answer')) from drip_core.inbound_messages as i
  where i.organization_id = drip_test.org() and i.external_id = p_external_id;
$$;
select is(pg_temp.answer('one', (select t.headers ->> 'Message-ID' from test as t)), 'unmatched no answer', 'H2: an answer to it answers no message');
select drip.remove_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a');
select is(
  pg_temp.answer('two', (select t.headers ->> 'Message-ID' from test as t)), 'unmatched no answer',
  'H2: nor does it once the member was removed, and its tests with it'
);
select is(
  drip_test.state(drip_test.org(), drip_test.kept('e')) || ' ' || drip_test.events(drip_test.org(), drip_test.kept('e')), 'active/- enrolled sent',
  'G2: no reply is counted, and nothing is paused'
);
select is(pg_temp.answer('three', '<somebody@else.example>'), 'applied address', 'G2: what names no message of ours still counts by its address');
select * from finish();
rollback;
