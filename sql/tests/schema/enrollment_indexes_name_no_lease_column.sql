-- A claim must be a HOT update: no index names what it changes, in key or predicate.
begin;
select plan(2);
select is_empty(
  $$
    select x.indexrelid::regclass
    from pg_index as x
    where x.indrelid = 'drip_core.enrollments'::regclass
      and pg_get_indexdef(x.indexrelid) ~ '\m(claim_token|lease_expires_at|handed_over_at|merge_values|attempt)\M'
  $$,
  'L8: no index on enrollments names a lease, claim or hand-over column'
);
select ok(
  (
    select o.option_value::int <= 70
    from pg_class as c
    cross join lateral pg_options_to_table(c.reloptions) as o
    where c.oid = 'drip_core.enrollments'::regclass and o.option_name = 'fillfactor'
  ),
  'L8: pages of enrollments keep room for such updates'
);
select * from finish();
rollback;
