-- Deleting or renaming what others refer to must not read a whole table.
begin;
select plan(3);
create temporary view foreign_keys as
select
  c.conname::text as name,
  exists(
    select from pg_index as x
    where x.indrelid = c.conrelid and x.indisvalid
      -- the columns of the key are the first of the index, in their order
      and (x.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey
      -- of all rows, or of those that refer to something
      and coalesce(pg_get_expr(x.indpred, x.indrelid) ~ '^\(?\w+ IS NOT NULL\)?$', true)
  ) as is_indexed,
  -- what has work to do is found by this one; a sender never goes, and ended enrollments have none to wait for
  c.conname = 'an_enrollment_waits_in_a_lane' as is_served_by_the_due_index
from pg_constraint as c
where c.connamespace = 'drip_core'::regnamespace and c.contype = 'f' and c.conparentid = 0;

select set_eq(
  $$ select name from foreign_keys where not is_indexed $$,
  $$ select name from foreign_keys where is_served_by_the_due_index $$,
  'L8: every foreign key has an index'
);
select ok(
  pg_get_indexdef('drip_core.enrollments_due_idx'::regclass) like '%(organization_id, channel_account_id, %',
  'L8: so has that of the lane, of those that wait in one'
);
select ok((select count(*) > 30 from foreign_keys), 'the test sees the foreign keys');
select * from finish();
rollback;
