begin;
select plan(5);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'welcome', drip_test.contact(drip_test.org(), 'ann'));
create temporary table claimed on commit drop as select * from drip.claim(organization_id => drip_test.org());
select is((select count(*) from claimed), 1::bigint, 'one message is claimed');
select isnt((select message_token from claimed), (select link_token from claimed), 'L4: message and link token differ');
select is(
  (select (r.organization_id, r.enrollment_id)::text from claimed as c cross join lateral drip_core._read_token(c.message_token, 'message') as r),
  (drip_test.org(), drip_test.kept('e'))::text, 'L4: the message token names the message'
);
select is(
  (select r.enrollment_id from claimed as c cross join lateral drip_core._read_token(c.link_token, 'link') as r),
  drip_test.kept('e'), 'L4: the link token names the message'
);
select is(
  (select (c.headers ->> 'Message-ID', c.headers ->> 'List-Unsubscribe')::text from claimed as c),
  (select ('<' || c.message_token || '@sender.example>', '<https://mail.example.com/u/' || c.link_token || '>')::text from claimed as c),
  'L4: the Message-ID shows the message token, the unsubscribe link the link token'
);
select * from finish();
rollback;
