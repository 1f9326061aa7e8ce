begin;
select plan(3);
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
select
  drip_test.org(),
  1,
  1,
  now()
from generate_series(1, 10000);
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = 'wakeups';
$$;
select is(pg_temp.found(), 'ok: 10000 wait for a claim', 'a big import');
insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at) values (drip_test.org(), 1, 1, now());
select is(pg_temp.found(), 'warning: 10001 wait for a claim', 'more than a runner leaves');
insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
select
  drip_test.org(),
  1,
  1,
  now()
from generate_series(1, 100000);
select is(pg_temp.found(), 'warning: more than 100000 wait for a claim', 'no more than that is counted');
select * from finish();
rollback;
