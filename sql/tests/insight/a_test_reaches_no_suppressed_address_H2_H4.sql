-- The address of a member is taken when the test leaves; whether it is suppressed is asked then as well.
begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip.suppress(drip_test.org(), 'email', 'said-no@example.org', 'unsubscribed');

create function pg_temp.member_has(email text)
returns text
language sql
as $$
  select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', member_has.email)::text;
$$;
create function pg_temp.ask()
returns uuid
language sql
as $$
  select drip.send_test(drip_test.org(), 'welcome', 's1', drip_test.kept('ann'), 'me@example.org');
$$;
select pg_temp.member_has('me@example.org');
create temporary table asked on commit drop as select pg_temp.ask() as test_id;
select pg_temp.member_has('Said-No@Example.org');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'H4: no test reaches who said no, whosever it is');
select is(
  (select concat_ws(': ', t.status, t.error_message) from drip.list_tests(drip_test.org()) as t), 'failed: the address is suppressed',
  'H2: it has failed, and says why'
);
select is(drip_test.books(drip_test.org(), 'box'), 'used 0: 0 leased, 0 held, 0 sent', 'nothing was taken for it');

-- said in between
select pg_temp.member_has('me@example.org');
select pg_temp.ask();
select drip.suppress(drip_test.org(), 'email', 'me@example.org', 'unsubscribed');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'H4: nor who said no after it was asked for');

-- a suppression of somebody else stops nothing
select pg_temp.member_has('third@example.org');
select drip.send_test(drip_test.org(), 'welcome', 's1', drip_test.kept('ann'), 'third@example.org');
select drip.suppress(drip_test.org(), 'whatsapp_lite', '+49301234567', 'unsubscribed');
select is(
  (select string_agg(c.to_address, ', ') from drip.claim(organization_id => drip_test.org()) as c), 'third@example.org', 'what nobody objects to is sent'
);
select is(
  (select string_agg(t.status, ' ' order by t.status) from drip.list_tests(drip_test.org()) as t), 'failed failed in_flight', 'each for itself'
);
select * from finish();
rollback;
