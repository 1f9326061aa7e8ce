begin;
select plan(17);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization('Acme', 'America/New_York', '{"contact_cap": {"per_day": 1, "per_week": 3}}');
select drip_test.at_all_times(drip_test.org());
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.phone_line(drip_test.org(), 'line', settings => '{"min_gap": null, "max_gap": null, "daily_limit": null}');
select drip_test.email_sequence(drip_test.org(), 'a', 1);
select drip_test.email_sequence(drip_test.org(), 'b', 2);
select drip_test.email_sequence(drip_test.org(), 'c', 1);
select
  drip.apply_sequence(
    drip_test.org(), '{"key": "d", "steps": [{"key": "s1", "channel": "whatsapp_lite", "allow_identical_text": true, "delay": "0", "text": "x"}]}'
  );
select drip_test.contact(drip_test.org(), 'ann', '{"phone": "+4930111111"}');
select drip_test.contact(drip_test.org(), 'bob');
select
  drip_test.enrolled(drip_test.org(), k.key, array(
    select c.id from drip_core.contacts as c
    where c.organization_id = drip_test.org()
  ))
from unnest(array['a', 'b', 'c', 'd']) as k (key);

select is(
  (
    select count(*) || ' of ' || count(distinct e.contact_id) from drip.claim(organization_id => drip_test.org()) as m
    inner join drip_core.enrollments as e on m.organization_id = e.organization_id and m.enrollment_id = e.id
  ),
  '2 of 2', 'one message for each contact, over all sequences and channels, in one batch'
);
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'what is in flight counts');
select is(
  array(
    select distinct drip_test.place(drip_test.org(), e.id) from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.status = 'active' and e.claim_token is null
  ),
  array['active s1, attempt 0, due 2026-03-03 05:00'], 'C2: the others wait for the next local day, step and attempt as they were'
);
select is(
  array(
    select distinct e.wait_reason::text from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.claim_token is null and e.status = 'active'
  ),
  array['contact_cap'], 'and say why'
);

create temporary table k as
select
  e.contact_id,
  jsonb_build_object('organization_id', e.organization_id, 'enrollment_id', e.id, 'claim_token', e.claim_token) as claim
from drip_core.enrollments as e
where e.organization_id = drip_test.org() and e.claim_token is not null;
select is(drip_test.report((select jsonb_agg(k.claim order by k.contact_id) from k)), 'completed completed', 'sent');

select drip_test.at('2026-03-03T05:00:00Z');
select is(drip_test.settle('sent', drip_test.org()) ->> 'advanced', '2', 'the next day: one more for each');
select drip_test.at('2026-03-04T04:59:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{}', 'no more on that local day');
select drip_test.at('2026-03-04T05:00:00Z');
select is((
  select count(*) from drip_core.messages as m
  where m.organization_id = drip_test.org()
), 4::bigint, 'two each so far');
select isnt(drip_test.settle('sent', drip_test.org()), '{}', 'the third');
select is((
  select count(*) from drip_core.messages as m
  where m.organization_id = drip_test.org()
), 6::bigint, 'three each');
select drip_test.at('2026-03-05T05:00:00Z');
select is(drip_test.settle('sent', drip_test.org()), '{}', 'then the week is used up');
select is(
  array(
    select distinct to_char(e.next_step_at at time zone 'America/New_York', 'YYYY-MM-DD HH24:MI') from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.status = 'active'
  ),
  array['2026-03-09 00:00'], 'it waits until the first of the three is seven local days ago, across a change of clocks'
);
select is(
  (
    select w.verdict
    from drip.why(drip_test.org(), (
        select min(e.id) from drip_core.enrollments as e
        where e.organization_id = drip_test.org() and e.status = 'active'
      )) as w
    where w.rule = 'contact_cap'
  ),
  'passes', 'why: by then it may go out'
);
select drip_test.at('2026-03-09T04:00:00Z');
select isnt(drip_test.settle('sent', drip_test.org()), '{}', 'then it goes out');

do $$
begin
  for v_n in 1 .. 40 loop
    perform drip_test.at(drip.next_due_at());
    perform drip_test.settle('sent', drip_test.org());
    exit when drip.next_due_at() is null;
  end loop;
end;
$$;
select is(
  (
    select string_agg(e.status::text, ' ') from drip_core.enrollments as e
    where e.organization_id = drip_test.org() and e.status not in ('completed')
  ),
  null, 'C2: every message goes out in the end'
);
select is(
  (select max(n) from (
    select count(*) as n from drip_core.messages as m
    where m.organization_id = drip_test.org()
    group by m.contact_id, (m.settled_at at time zone 'America/New_York')::date
  ) as x),
  1::bigint, 'never two on one local day'
);
select drip_test.no_violations();

select finish();
rollback;
