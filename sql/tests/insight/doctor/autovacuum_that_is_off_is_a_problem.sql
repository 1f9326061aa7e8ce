begin;
select plan(3);
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = 'autovacuum';
$$;
select is(pg_temp.found(), 'ok: on', 'on');
alter table drip_core.lanes set (autovacuum_enabled = off);
alter table drip_core.queues set (autovacuum_enabled = false);
select is(pg_temp.found(), 'problem: autovacuum is off for lanes, queues', 'off for tables of ours');
set local track_counts = off;
select matches(pg_temp.found(), '^problem: autovacuum is on, track_counts is off', 'blind');
select * from finish();
rollback;
