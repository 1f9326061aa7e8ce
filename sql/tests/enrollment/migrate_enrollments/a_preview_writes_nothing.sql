begin;
select plan(4);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"steps": [
  {"key": "hello", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "0"}, {"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "1"}]}');
create temporary table before on commit drop as
select
  e.id,
  to_jsonb(e) as content
from drip_core.enrollments as e
where e.organization_id = drip_test.org();
delete from drip_core.queues as q
where q.organization_id = drip_test.org()
  and q.channel_account_id = (
    select a.id from drip_core.channel_accounts as a
    where a.organization_id = q.organization_id and a.key = 'line'
  );
create temporary view counts as
select
  (
    select count(*) from drip_core.events as v
    where v.organization_id = drip_test.org()
  ) as events,
  (
    select count(*) from drip_core.queues as q
    where q.organization_id = drip_test.org()
  ) as queues,
  (
    select count(*) from drip_core.wakeups as w
    where w.organization_id = drip_test.org()
  ) as wakeups;
create temporary table counted on commit drop as
select
  c.events,
  c.queues,
  c.wakeups
from counts as c;
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2) $$,
  $$ values ('s1', 's1', 3::bigint) $$,
  'without dry_run it is a preview'
);
select results_eq('select events, queues, wakeups from counts', 'select events, queues, wakeups from counted', 'no event, queue or wakeup');
select is_empty(
  $$
    select e.id from drip_core.enrollments as e join before as b on b.id = e.id
    where e.organization_id = drip_test.org() and to_jsonb(e) <> b.content
  $$,
  'no enrollment changed'
);
select set_config('transaction_read_only', 'on', true);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, dry_run => true) $$,
  $$ values ('s1', 's1', 3::bigint) $$,
  'it runs in a transaction that may not write'
);
select finish();
rollback;
