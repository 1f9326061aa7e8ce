-- owner: drip_engine
-- Deletes tests that were over thirty days ago, up to 1,000 per call; returns how many.
-- Locks: the rows it deletes, skipping locked ones. Errors: none. A repeat goes on.
create or replace function drip_core._purge_tests(at timestamptz)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  with old as materialized (
    select t.organization_id, t.id
    from drip_core.test_messages as t
    where t.settled_at < _purge_tests.at - interval '30 days'
    order by t.settled_at
    limit 1000
    for update skip locked
  )

  delete from drip_core.test_messages as t
  using old
  where t.organization_id = old.organization_id and t.id = old.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;

revoke all on function drip_core._purge_tests(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._purge_tests(timestamptz) is 'Deletes tests that were over thirty days ago; how many.';
