begin;
select plan(14);
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');

create function pg_temp.publish(sequence text, variadic keys text[]) returns int language sql as $$
  select s.version
  from drip.apply_sequence(drip_test.org(), drip_test.email_definition(publish.sequence, 1, jsonb_build_object(
    'reentry', 'when_finished', 'steps', (
      select jsonb_agg(jsonb_build_object('key', k.key, 'channel', 'email', 'delay', case k.ordinal when 1 then '0' else '1 day' end,
        'subject', k.key, 'text', k.key) order by k.ordinal)
      from unnest(publish.keys) with ordinality as k (key, ordinal))))) as s;
$$;

select drip_test.at('2026-03-02 09:00Z');
select pg_temp.publish('welcome', 'a', 'b', 'c');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2));
select drip_test.settle();
select drip_test.enrolled(drip_test.org(), 'welcome', array[drip_test.contact(drip_test.org(), 'cid')]);
-- two were sent a and stand at b, cid was sent nothing and stands at a
select pg_temp.publish('welcome', 'b', 'a', 'c');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2) $$,
  $$ values ('a', 'a', 1::bigint), ('b', null, 2) $$,
  'X1: the preview leaves whom a step ahead was sent'
);
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 2, false) $$,
  $$ values ('a', 'a', 1::bigint), ('b', null, 2) $$,
  'X1: so does the run'
);
select pg_temp.publish('welcome', 'c', 'b', 'd');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 3, false) $$,
  $$ values ('a', null, 1::bigint), ('b', 'b', 2) $$,
  'they go to a version in which it does not come again'
);
select drip_test.at('2026-03-03 09:00Z');
select is(drip_test.settle(), '{"advanced": 3}', 'b of the third version, and a of the second, are sent');
select pg_temp.publish('welcome', 'd', 'c', 'a');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 4, false) $$,
  $$ values ('c', null, 1::bigint), ('d', null, 2) $$,
  'X1: it does not matter under which version a was sent'
);
select pg_temp.publish('welcome', 'a', 'd', 'c');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'welcome', 5, false) $$,
  $$ values ('c', 'c', 1::bigint), ('d', 'd', 2) $$,
  'what lies behind in the new version is not sent'
);

-- an entry of retry_failed goes on where the one before it failed
select pg_temp.publish('news', 'a', 'b', 'c');
select drip_test.enrolled(drip_test.org(), 'news', array[drip_test.contact(drip_test.org(), 'dan')]);
select drip_test.settle();
select drip_test.at('2026-03-04 09:00Z');
select drip.remove_enrollments(drip_test.org(), array(
  select l.enrollment_id from drip.list_enrollments(drip_test.org(), 'welcome', status => 'active') as l
));
select is(drip_test.settle('rejected', extra => '{"reason": "rejected_content"}'), '{"failed": 1}', 'b fails');
select outcome from drip.retry_failed(drip_test.org(), array[drip_test.enrollment('dan', 'news')]);
select is(drip_test.settle('rejected', extra => '{"reason": "rejected_content"}'), '{"failed": 1}', 'and fails again');
select outcome from drip.retry_failed(drip_test.org(), array[drip_test.enrollment('dan', 'news')]);
select pg_temp.publish('news', 'b', 'a');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'news', 2, false) $$,
  $$ values ('b', null::text, 1::bigint) $$,
  'X1: what was sent before it failed is not sent again'
);
select pg_temp.publish('news', 'b', 'e');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'news', 3, false) $$,
  $$ values ('b', 'b', 1::bigint) $$,
  'what failed is not sent: it can go on'
);
-- a new entry is another one: it is sent everything
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('dan', 'news'));
select pg_temp.publish('news', 'b', 'a', 'e');
select drip_test.enrolled(drip_test.org(), 'news', array[(
  select c.contact_id from drip.list_contacts(drip_test.org(), 'dan@') as c
)]);
select pg_temp.publish('news', 'b', 'e', 'a');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'news', 5, false) $$,
  $$ values ('b', 'b', 1::bigint) $$,
  'what an earlier entry was sent does not count'
);
select is(drip_test.settle('rejected', extra => '{"reason": "rejected_content"}'), '{"failed": 1}', 'it fails');
select outcome from drip.retry_failed(drip_test.org(), array[drip_test.enrollment('dan', 'news')]);
select pg_temp.publish('news', 'b', 'a');
select results_eq(
  $$ select * from drip.migrate_enrollments(drip_test.org(), 'news', 6, false) $$,
  $$ values ('b', 'b', 1::bigint) $$,
  'nor after it failed and goes on in another one'
);
select drip_test.no_violations();
select finish();
rollback;
