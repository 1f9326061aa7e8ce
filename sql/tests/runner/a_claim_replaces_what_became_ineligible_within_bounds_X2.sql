begin;
select plan(6);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'main', '{"daily_limit": 12}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 5, 'bad'));
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 20, 'good'));

-- they lose their address after they were enrolled
select drip_test.contacts(drip_test.org(), 5, 'bad', '{"email": null}');

create function pg_temp.claimed(batch_size int) returns bigint language sql as $$
  select count(*) from drip.claim(batch_size => claimed.batch_size, organization_id => drip_test.org())
$$;
select is(pg_temp.claimed(10), 10::bigint, 'five of the first ten may not be sent: five others take their places');
select is(drip_test.books(drip_test.org(), 'main'), 'used 10: 10 leased, 0 held, 0 sent', 'the sender is charged for what it sends');
select is(pg_temp.claimed(10), 2::bigint, 'its limit holds');

select drip_test.mailbox(drip_test.org(), 'other');
select drip_test.email_sequence(drip_test.org(), 'bounds', 1, '{"senders": [{"account": "other"}]}');
select drip_test.enrolled(drip_test.org(), 'bounds', drip_test.contacts(drip_test.org(), 15, 'late'));
select drip_test.enrolled(drip_test.org(), 'bounds', drip_test.contacts(drip_test.org(), 5, 'early'));
select drip_test.contacts(drip_test.org(), 15, 'late', '{"email": null}');
select is(pg_temp.claimed(5), 0::bigint, 'a claim looks at twice its batch at most');
select is(pg_temp.claimed(5), 5::bigint, 'the next one goes on behind it');
select drip_test.no_violations();

select finish();
rollback;
