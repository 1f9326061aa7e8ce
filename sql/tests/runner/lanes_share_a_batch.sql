begin;
select plan(4);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'a');
select drip_test.mailbox(drip_test.org(), 'b');
select drip_test.email_sequence(drip_test.org(), 'by-a', 1, '{"senders": [{"account": "a"}]}');
select drip_test.email_sequence(drip_test.org(), 'by-b', 1, '{"senders": [{"account": "b"}]}');
select drip_test.enrolled(drip_test.org(), 'by-a', drip_test.contacts(drip_test.org(), 100, 'a'));
select drip_test.enrolled(drip_test.org(), 'by-b', drip_test.contacts(drip_test.org(), 5, 'b'));

create function pg_temp.shares(batch_size int) returns jsonb language sql as $$
  select jsonb_object_agg(s.sequence_key, s.n)
  from (
    select c.sequence_key, count(*) as n
    from drip.claim(batch_size => shares.batch_size, organization_id => drip_test.org()) as c
    group by c.sequence_key
  ) as s
$$;
select is(pg_temp.shares(8), '{"by-a": 4, "by-b": 4}', 'each lane has its share of a batch');
select is(pg_temp.shares(10), '{"by-a": 9, "by-b": 1}', 'what a lane with little backlog leaves goes to the other');
select is(pg_temp.shares(100), '{"by-a": 87}', 'which goes on alone');
select drip_test.no_violations();

select finish();
rollback;
