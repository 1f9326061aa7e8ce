-- Deleting or renaming what others refer to must not read a whole table.
begin;
select plan(5);
create temporary view foreign_keys as
select
  c.conname::text as name,
  c.conrelid::regclass::text as on_table,
  c.confrelid,
  exists(
    select from pg_index as x
    where x.indrelid = c.conrelid and x.indisvalid
      -- the columns of the key are the first of the index, in any order
      and (x.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey and (x.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey
      -- of all rows, or of those that refer to something
      and coalesce(pg_get_expr(x.indpred, x.indrelid) ~ '^\(?\w+ IS NOT NULL\)?$', true)
  ) as is_indexed
from pg_constraint as c
where c.connamespace = 'drip_core'::regnamespace and c.contype = 'f' and c.conparentid = 0;

-- each index on enrollments is written by every message (measured: 120 bytes of WAL, of 2,000): none for what is never deleted
create temporary table exceptions (name text primary key, reason text not null) on commit drop;
insert into exceptions values
('an_enrollment_belongs_to_a_version', 'a version never goes, nor changes its key'),
('an_enrollment_points_at_a_step', 'a step never goes, nor changes its key'),
('an_enrollment_waits_in_a_lane', 'a sender never goes; those that wait have enrollments_due_idx'),
('an_address_check_was_made_by_an_account', 'a sender never goes'),
('a_test_is_of_a_sequence', 'a sequence never goes, nor changes its key'),
('a_test_shows_a_step', 'a step never goes, nor changes its key'),
('a_test_leaves_by_an_account', 'a sender never goes'),
('a_test_goes_to_a_member', 'tests of thirty days: a few rows');

select set_eq(
  $$ select name from foreign_keys where not is_indexed $$,
  $$ select name from exceptions $$,
  'L8: every foreign key has an index, the listed ones excepted'
);
select ok((select count(*) > 30 from foreign_keys), 'the test sees the foreign keys');

-- the reasons hold
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1, '{"senders": [{"account": "box"}]}');
select
  is(
    left(drip_test.error_of(format('delete from drip_core.%I where organization_id = drip_test.org()', t.name)), 5),
    'PT409',
    'X8: no row of ' || t.name || ' is deleted'
  )
from unnest(array['sequence_versions', 'steps']) as t (name)
order by t.name;
select is_empty(
  $$
    select p.oid::regprocedure from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core')
      and p.prosrc ~* 'delete\s+from\s+drip_core\.(lanes|channel_accounts|steps|sequence_versions)\M'
  $$,
  'L8: and no function deletes a sender, a step or a version'
);
select * from finish();
rollback;
