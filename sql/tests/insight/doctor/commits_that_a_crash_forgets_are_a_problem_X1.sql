-- fsync and full_page_writes belong to the server: the runner's tests turn them off.
begin;
select plan(4);
create role drip_test_runner login in role drip_runner;
create role drip_test_other login;
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = 'durability';
$$;
set local synchronous_commit = on;
select doesnt_match(pg_temp.found(), 'synchronous_commit', 'commits wait for the disk');
alter role drip_test_other set synchronous_commit = off;
select doesnt_match(pg_temp.found(), 'synchronous_commit', 'who is no runner may do as it likes');
alter role drip_test_runner set synchronous_commit = off;
select matches(pg_temp.found(), '^problem: .*synchronous_commit=off for drip_test_runner', 'X1: a runner that does not wait');
alter role drip_test_runner reset synchronous_commit;
set local synchronous_commit = off;
select matches(pg_temp.found(), '^problem: .*synchronous_commit is off', 'X1: this session does not wait');
select * from finish();
rollback;
