begin;
select plan(20);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);

-- what becomes of an enrollment, by its state when the result comes: disposition, place, message row, events, capacity
create temporary table expected (n int, state text, outcome text, reason text, disposition text, place text, message text, events text, books text);
insert into expected values
(1, 'active', 'sent', null, 'advanced', 'active s2, attempt 0, due 2026-03-03 09:00', 'sent -', 'enrolled sent', '1 sent'),
(2, 'paused', 'sent', null, 'advanced', 'paused s2, attempt 0, due 2026-03-03 09:00', 'sent -', 'enrolled paused sent', '1 sent'),
(3, 'removed', 'sent', null, 'advanced', 'removed s1, attempt 0', 'sent -', 'enrolled removed sent', '1 sent'),
(4, 'active', 'retry', null, 'retry_scheduled', 'active s1, attempt 1, due 2026-03-02 09:05', null, 'enrolled attempt_failed', 'free'),
(5, 'paused', 'retry', null, 'retry_scheduled', 'paused s1, attempt 1, due 2026-03-02 09:05', null, 'enrolled paused attempt_failed', 'free'),
(6, 'removed', 'retry', null, 'deferred', 'removed s1, attempt 0', null, 'enrolled removed attempt_failed', 'free'),
(7, 'active', 'rejected', 'invalid_address', 'bounced', 'bounced s1, attempt 1', 'failed invalid_address', 'enrolled attempt_failed bounced', 'free'),
(8, 'paused', 'rejected', 'invalid_address', 'bounced', 'bounced s1, attempt 1', 'failed invalid_address', 'enrolled paused attempt_failed bounced', 'free'),
(9, 'removed', 'rejected', 'invalid_address', 'bounced', 'removed s1, attempt 1', 'failed invalid_address', 'enrolled removed attempt_failed', 'free'),
(10, 'active', 'rejected', 'rejected_content', 'failed', 'failed s1, attempt 1', 'failed rejected_content', 'enrolled attempt_failed failed', 'free'),
(11, 'paused', 'rejected', null, 'failed', 'failed s1, attempt 1', 'failed rejected_policy', 'enrolled paused attempt_failed failed', 'free'),
(12, 'removed', 'rejected', 'rejected_content', 'failed', 'removed s1, attempt 1', 'failed rejected_content', 'enrolled removed attempt_failed', 'free'),
(13, 'active', 'throttled', null, 'deferred', 'active s1, attempt 0, due 2026-03-02 09:00', null, 'enrolled', 'free'),
(14, 'paused', 'throttled', null, 'deferred', 'paused s1, attempt 0, due 2026-03-02 09:00', null, 'enrolled paused', 'free'),
(15, 'removed', 'throttled', null, 'deferred', 'removed s1, attempt 0', null, 'enrolled removed', 'free'),
(16, 'active', 'unknown', null, 'held', 'active s1, attempt 0, held', null, 'enrolled held', '1 held'),
(17, 'paused', 'unknown', null, 'held', 'paused s1, attempt 0, held', null, 'enrolled paused held', '1 held'),
(18, 'removed', 'unknown', null, 'held', 'removed s1, attempt 0', null, 'enrolled removed held', '1 held'),
(19, 'active', 'sender_error', null, 'deferred', 'active s1, attempt 0, due 2026-03-02 09:00', null, 'enrolled', 'free');

select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 19));
create temporary table claimed as
select
  x.n,
  k.claim
from expected as x
inner join jsonb_array_elements(drip_test.claims(drip_test.org())) as k (claim)
  on (k.claim ->> 'enrollment_id')::bigint = drip_test.enrollment('c' || x.n);
select drip.pause_enrollment(drip_test.org(), drip_test.enrollment('c' || x.n)) from expected as x
where x.state = 'paused';
select drip.remove_enrollment(drip_test.org(), drip_test.enrollment('c' || x.n)) from expected as x
where x.state = 'removed';

create function pg_temp.numbers() returns int[] language sql as $$
  select array[l.used, l.leased, l.held] from drip_core.lanes as l where l.organization_id = drip_test.org();
$$;
create function pg_temp.settle(n int) returns text language plpgsql as $$
declare
  v_before int[] := pg_temp.numbers();
  v_disposition text;
  v_change int[];
begin
  select drip_test.report(jsonb_build_array(c.claim), x.outcome, jsonb_strip_nulls(jsonb_build_object('reason', x.reason, 'error_code', '250')))
  into v_disposition
  from expected as x join claimed as c on c.n = x.n
  where x.n = settle.n;
  v_change := array(select a - b from unnest(pg_temp.numbers(), v_before) as d (a, b));
  return concat_ws(' | ',
    v_disposition,
    drip_test.place(drip_test.org(), drip_test.enrollment('c' || settle.n)),
    (select m.status || ' ' || coalesce(m.reason::text, '-') from drip_core.messages as m where m.organization_id = drip_test.org()
      and m.enrollment_id = drip_test.enrollment('c' || settle.n)),
    drip_test.events(drip_test.org(), drip_test.enrollment('c' || settle.n)),
    case v_change when array[-1, -1, 0] then 'free' when array[0, -1, 0] then '1 sent' when array[0, -1, 1] then '1 held' else v_change::text end);
end;
$$;

select is(pg_temp.settle(x.n), concat_ws(' | ', x.disposition, x.place, x.message, x.events, x.books), x.outcome || ', ' || x.state || ' (M6, X2)')
from expected as x
order by x.n;
select drip_test.no_violations();

select finish();
rollback;
