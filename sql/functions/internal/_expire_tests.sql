-- owner: drip_engine
-- Deals with tests whose lease has expired: what was handed over is over, its outcome unknown (nobody repeats it: whoever wants
-- to see it sends another); what was not is due again. Up to 100 per call; returns how many.
-- Locks: the tests with skip locked. Errors: none. A repeat finds nothing.
create or replace function drip_core._expire_tests(allowed bigint[], at timestamptz)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  with expired as materialized (
    select t.organization_id, t.id, t.handed_over_at is not null or t.attempt >= 3 as is_over
    from drip_core.test_messages as t
    where t.due_at <= _expire_tests.at and t.status = 'in_flight'
      and (_expire_tests.allowed is null or t.organization_id = any (_expire_tests.allowed))
    order by t.due_at
    limit 100
    for no key update skip locked
  )

  update drip_core.test_messages as t
  set
    status = case when not x.is_over then 'waiting' when t.handed_over_at is not null then 'unknown' else 'failed' end::drip.test_status,
    error_message = case when x.is_over then 'its runner did not say how it went' end,
    due_at = case when not x.is_over then _expire_tests.at end,
    settled_at = case when x.is_over then _expire_tests.at end,
    claim_token = case when t.handed_over_at is not null then t.claim_token end
  from expired as x
  where t.organization_id = x.organization_id and t.id = x.id;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;

revoke all on function drip_core._expire_tests(bigint[], timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._expire_tests(bigint[], timestamptz) is 'Deals with tests whose lease has expired; how many.';
