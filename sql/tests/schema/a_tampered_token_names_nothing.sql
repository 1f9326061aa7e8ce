begin;
select plan(67);
create temporary table original on commit drop as
select drip_core._make_token(k.key_id, k.inner_pad, k.outer_pad, 'link', 12, 3456, 789) as token
from drip_core._current_key('link') as k;
select is(
  (select (r.organization_id, r.enrollment_id, r.step_id)::text from original as o cross join lateral drip_core._read_token(o.token, 'link') as r),
  '(12,3456,789)', 'the untouched token is read'
);
select
  is(
    (
      select array_agg(d.digit)
      from original as o
      cross join (select to_hex(n) as digit from generate_series(0, 15) as n) as d
      cross join lateral drip_core._read_token(left(o.token, p.position - 1) || d.digit || substr(o.token, p.position + 1), 'link') as r
      where d.digit <> substr(o.token, p.position, 1) and r.enrollment_id is not null
    ),
    null,
    format('L4: no other digit at position %s of a token is accepted', p.position)
  )
from generate_series(1, 66) as p (position);
select * from finish();
rollback;
