begin;
select plan(4);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'main');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3, 'early'));

create function pg_temp.claimed(batch_size int) returns bigint language sql as $$
  select count(*) from drip.claim(batch_size => claimed.batch_size, organization_id => drip_test.org())
$$;
select is(pg_temp.claimed(10), 3::bigint, 'the lane is drained: its queue waits for the next probe');

select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 12, 'late'));
select is(pg_temp.claimed(5), 5::bigint, 'work that comes wakes it');
select is(pg_temp.claimed(10), 7::bigint, 'and what the batch had no place for is claimed at once, not at the probe');
select drip_test.no_violations();

select finish();
rollback;
