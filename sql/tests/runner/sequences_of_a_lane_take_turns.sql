begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'big', 1);
select drip_test.email_sequence(drip_test.org(), 'middle', 1);
select drip_test.email_sequence(drip_test.org(), 'small', 1);
select drip_test.enrolled(drip_test.org(), 'big', drip_test.contacts(drip_test.org(), 100, 'b'));
select drip_test.at('2026-03-02T09:01:00Z');
select drip_test.enrolled(drip_test.org(), 'middle', drip_test.contacts(drip_test.org(), 10, 'm'));
select drip_test.enrolled(drip_test.org(), 'small', drip_test.contacts(drip_test.org(), 1, 's'));

create function pg_temp.shares(batch_size int) returns jsonb language sql as $$
  select jsonb_object_agg(s.sequence_key, s.n)
  from (
    select c.sequence_key, count(*) as n
    from drip.claim(batch_size => shares.batch_size, organization_id => drip_test.org()) as c
    group by c.sequence_key
  ) as s
$$;
select is(pg_temp.shares(12), '{"big": 6, "middle": 5, "small": 1}', 'a small sequence is not behind a big backlog, and none of the batch is wasted');
select is(pg_temp.shares(12), '{"big": 7, "middle": 5}', 'what is left shares the next batch');
select is(pg_temp.shares(50), '{"big": 50}', 'and one alone takes all of it');
select is(pg_temp.shares(100), '{"big": 37}', 'to the end');
select drip_test.no_violations();

select finish();
rollback;
