begin;
select plan(5);
select drip_test.organization();
create function pg_temp.found() returns text language sql as $$
  select d.verdict || ': ' || d.detail from drip.doctor() as d where d.check_name = 'partitions';
$$;
select is(pg_temp.found(), 'ok: this month and the next have theirs', 'an installation has them');
do $$
begin
  execute 'drop table drip_core.events_' || to_char(date_trunc('month', now() at time zone 'UTC') + interval '1 month', 'YYYY_MM');
end;
$$;
select is(
  pg_temp.found(), 'warning: missing: events_' || to_char(date_trunc('month', now() at time zone 'UTC') + interval '1 month', 'YYYY_MM'),
  'the next month has none'
);
insert into drip_core.events (organization_id, recorded_at, occurred_at, type) values (drip_test.org(), '2001-01-01', now(), 'sent');
select matches(pg_temp.found(), '^warning: missing: .*; 1 events in events_default$', 'an event before all partitions');
insert into drip_core.events (organization_id, recorded_at, occurred_at, type)
values (drip_test.org(), date_trunc('month', now() at time zone 'UTC') + interval '40 days', now(), 'sent');
select matches(pg_temp.found(), '2 events in events_default$', 'an event in the gap');
set local datestyle = 'German';
set local timezone = 'Asia/Kathmandu';
select matches(pg_temp.found(), '2 events in events_default$', 'whatever the session calls a date');
select * from finish();
rollback;
