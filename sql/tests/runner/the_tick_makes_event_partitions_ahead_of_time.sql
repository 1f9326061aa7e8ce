begin;
select plan(5);

-- waits for autovacuum, which the tick would not wait for
lock table drip_core.events_default in access exclusive mode;
select drip_test.at('2031-11-15T09:00:00Z');
select is(drip.tick() ->> 'partitions_made', '4', 'the month and the three after it');
select is(drip.tick() ->> 'partitions_made', '0', 'once');
select is(
  array(
    select c.relname || ' ' || c.relrowsecurity::text || ' ' || c.relforcerowsecurity::text
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on i.inhrelid = c.oid
    where i.inhparent = 'drip_core.events'::regclass and c.relname ~ '_203[12]_'
    order by c.relname
  ),
  array['events_2031_11 true true', 'events_2031_12 true true', 'events_2032_01 true true', 'events_2032_02 true true'],
  'with row-level security of their own'
);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'ann')]);
select
  is((
    select v.tableoid::regclass::text from drip_core.events as v
    where v.organization_id = drip_test.org()
  ), 'drip_core.events_2031_11', 'an event goes to its month');
select drip_test.at('2040-01-01T00:00:00Z');
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('ann'));
select is(
  (
    select v.tableoid::regclass::text from drip_core.events as v
    where v.organization_id = drip_test.org() and v.type = 'paused'
  ),
  'drip_core.events_default', 'and where there is none to the default one'
);

select finish();
rollback;
