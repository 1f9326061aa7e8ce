-- Every (from, to) pair of statuses is tried by a direct update; the expectation is written here, not read from the table.
begin;
select plan(66);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);

create temporary table pairs on commit drop as
select
  f.status as from_status,
  t.status as to_status,
  row_number() over (order by f.status, t.status) as n,
  null::bigint as id,
  null::text as error,
  null::text as events
from unnest(enum_range(null::drip.enrollment_status)) as f (status)
cross join unnest(enum_range(null::drip.enrollment_status)) as t (status);

update pairs as p
set id = e.enrollment_id
from (
  select
    enrollment_id,
    row_number() over (order by enrollment_id) as n
  from drip.enroll_many(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 64))
) as e
where e.n = p.n;

create function pg_temp.change(p_id bigint, p_status drip.enrollment_status)
returns text
language sql
as $$
  select drip_test.error_of(format(
    'update drip_core.enrollments set status = %L, next_step_at = %s where organization_id = %s and id = %s',
    p_status, case when p_status in ('active', 'paused') then 'coalesce(next_step_at, now())' else 'null' end, drip_test.org(), p_id));
$$;
select is(count(*), 8::bigint, 'each status is reached from active') from pairs as p
where p.to_status = 'active' and pg_temp.change(p.id, p.from_status) = 'no error';
do $$
begin
  perform pg_temp.change(p.id, p.from_status) from pairs as p where p.to_status <> 'active';
  update pairs as p set error = pg_temp.change(p.id, p.to_status);
  -- what came after the enrolled event and the event that led to from_status
  update pairs as p
  set events = array_to_string((string_to_array(drip_test.events(drip_test.org(), p.id), ' '))[case p.from_status when 'active' then 2 else 3 end :], ' ');
end;
$$;

select
  is(
    concat_ws(': ', left(p.error, 8), p.events),
    case
      when p.from_status = p.to_status then 'no error: '
      when p.from_status not in ('active', 'paused') then 'PT409 | : '
      else 'no error: ' || case p.to_status when 'active' then 'resumed' else p.to_status::text end
    end,
    format('C1: %s to %s %s', p.from_status, p.to_status, case
      when p.from_status = p.to_status then 'is no change and writes no event'
      when p.from_status not in ('active', 'paused') then 'is refused and writes no event'
      else 'passes and writes one event'
    end)
  )
from pairs as p
order by p.n;

select results_eq(
  $$ select from_status, to_status from drip_core.status_transitions order by 1, 2 $$,
  $$ select from_status, to_status from pairs where from_status in ('active', 'paused') and from_status <> to_status order by 1, 2 $$,
  'C1: the table of transitions lists exactly these'
);
select * from finish();
rollback;
