begin;
select plan(5);
create role drip_test_runner login in role drip_runner;
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = 'virtual_clock';
$$;
select is(pg_temp.found(), 'ok: drip.now is not set', 'the real clock');
do $$ begin alter role drip_test_runner set drip.now = '2026-01-01'; end $$;
select is(pg_temp.found(), 'problem: drip.now is stored for drip_test_runner in all databases', 'stored for a role');
do $$ begin alter role drip_test_runner set drip.now = ''; end $$;
select is(pg_temp.found(), 'ok: drip.now is not set', 'stored empty');
do $$
begin
  execute format('alter database %I set drip.now = %L', current_database(), '2026-01-01');
end;
$$;
select is(pg_temp.found(), 'problem: drip.now is stored for all roles in ' || current_database(), 'stored for the database');
do $$
begin
  execute format('alter database %I reset drip.now', current_database());
end;
$$;
select drip_test.at('2026-01-01T00:00:00Z');
select matches(pg_temp.found(), '^problem: drip.now is 2026-01-01', 'moved for the session');
select * from finish();
rollback;
