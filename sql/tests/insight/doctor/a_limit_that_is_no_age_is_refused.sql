begin;
select plan(2);
select is(
  drip_test.error_of('select * from drip.doctor(snapshot_age_limit => null)'), 'PT422 | invalid age | snapshot_age_limit: null', 'no age'
);
select is(
  drip_test.error_of($$ select * from drip.doctor(snapshot_age_limit => '-1 minute') $$), 'PT422 | invalid age | snapshot_age_limit: -00:01:00',
  'less than none'
);
select * from finish();
rollback;
