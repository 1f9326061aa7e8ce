begin;
select plan(8);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization('Acme', 'America/Los_Angeles');
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'tokyo', '{"daily_limit": 1, "timezone": "Asia/Tokyo"}');
select drip_test.mailbox(drip_test.org(), 'home', '{"daily_limit": 1}');
select drip_test.email_sequence(drip_test.org(), 'east', 1, '{"senders": [{"account": "tokyo"}]}');
select drip_test.email_sequence(drip_test.org(), 'west', 1, '{"senders": [{"account": "home"}]}');
select drip_test.enrolled(drip_test.org(), 'east', drip_test.contacts(drip_test.org(), 3, 'e'));
select drip_test.enrolled(drip_test.org(), 'west', drip_test.contacts(drip_test.org(), 3, 'w'));

select is(drip_test.settle('sent', drip_test.org()), '{"completed": 2}', 'each sends its message of the day');
select is(drip.next_due_at(), '2026-03-02T15:00:00Z', 'midnight comes first in Tokyo');
select drip_test.at('2026-03-02T14:59:59Z');
select is(drip_test.settle('sent', drip_test.org()), '{}', 'not a second before');
select drip_test.at('2026-03-02T15:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'a sender with a zone of its own begins its day there');
select is(drip.next_due_at(), '2026-03-03T08:00:00Z', 'one without in the organization''s zone');
select drip_test.at('2026-03-03T08:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{"completed": 1}', 'which it does');
select is(
  array(
    select a.key || ' ' || m.lane_day
    from drip_core.messages as m
    inner join drip_core.channel_accounts as a on m.organization_id = a.organization_id and m.channel_account_id = a.id
    where m.organization_id = drip_test.org()
    order by 1
  ),
  array['home 2026-03-02', 'home 2026-03-03', 'tokyo 2026-03-02', 'tokyo 2026-03-03'], 'each message counts for the sender''s local day'
);
select drip_test.no_violations();

select finish();
rollback;
