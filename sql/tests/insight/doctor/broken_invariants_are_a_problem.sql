begin;
select plan(3);
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || regexp_replace(d.detail, '[0-9]+', 'n', 'g')
  from drip.doctor(deep => true) as d where d.check_name = 'invariants';
$$;
select is(pg_temp.found(), 'ok: none is broken', 'all is well');
update drip_core.lanes as l set used = 5
where l.organization_id = drip_test.org();
select is(
  pg_temp.found(),
  'problem: n broken, one of them: lane counters equal the rows (organization n): lane n: leased n (rows n), held n (rows n), used n (rows n)',
  'M6: a counter that is not what the rows say'
);
delete from drip_core.login_organizations;
select drip_test.organization('Other');
select drip_test.just(drip_test.org());
select is(pg_temp.found(), 'ok: none is broken', 'H2: those of others are not told');
select * from finish();
rollback;
