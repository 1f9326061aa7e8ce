-- A database in good health: every check is there and is content. What hangs on the settings of this server is left out.
begin;
select plan(5);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
create role drip_test_runner login in role drip_runner;
set local session authorization drip_test_runner;
create temporary table found as select d.* from drip.doctor(deep => true) as d;
select bag_eq(
  $$ select check_name from found $$,
  array[
    'virtual_clock', 'durability', 'snapshots', 'dead_rows', 'autovacuum', 'connections',
    'login', 'backup', 'bindings', 'blocked_lanes', 'held_outcomes', 'templates', 'reactions',
    'partitions', 'runner', 'upkeep', 'wakeups', 'invariants'
  ],
  'a row per check'
);
select is_empty(
  $$ select check_name, verdict, detail from found
  where verdict <> 'ok' and check_name not in ('durability', 'snapshots', 'dead_rows', 'autovacuum', 'connections') $$,
  'nothing is wrong'
);
select is_empty(
  $$ select check_name from found where verdict not in ('ok', 'warning', 'problem', 'unknown') or detail is null $$,
  'verdicts are four words, and each is explained'
);
select is_empty($$ select check_name from found where (remedy is null) <> (verdict = 'ok') $$, 'what is not ok has a remedy');
select is(
  (
    select d.verdict from drip.doctor() as d
    where d.check_name = 'invariants'
  ), 'unknown', 'without deep, no whole table is read'
);
select * from finish();
rollback;
