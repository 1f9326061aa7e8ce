-- owner: drip_engine
-- requires: functions/internal/_parse_claims.sql
-- The tests among the claims of one organization that are still valid: marked as handed over, or given back. Returns how many.
-- Locks: the tests, then lanes with a gap, each with skip locked. Errors: PT404, PT422. A repeat changes nothing.
create or replace function drip_core._mark_tests(organization_id bigint, claims jsonb, is_handed_over boolean)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _mark_tests.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_ids bigint[];
begin
  v_ids := array(
    select t.id
    from drip_core.test_messages as t
    join drip_core._parse_claims(_mark_tests.claims) as c
      on c.organization_id = v_org and c.enrollment_id = t.id and c.claim_token = t.claim_token
    where t.organization_id = v_org and t.status = 'in_flight' and (_mark_tests.is_handed_over or t.handed_over_at is null)
    order by t.id
    for no key update of t skip locked
  );
  if cardinality(v_ids) > 0 then
    if current_setting('synchronous_commit') = 'off' then
      perform set_config('synchronous_commit', 'local', true);
    end if;
    update drip_core.test_messages as t
    set
      handed_over_at = case when _mark_tests.is_handed_over then coalesce(t.handed_over_at, v_now) end,
      status = case when _mark_tests.is_handed_over then t.status else 'waiting' end,
      claim_token = case when _mark_tests.is_handed_over then t.claim_token end,
      attempt = case when _mark_tests.is_handed_over then t.attempt else t.attempt - 1 end,
      due_at = case when _mark_tests.is_handed_over then t.due_at else v_now end
    where t.organization_id = v_org and t.id = any (v_ids);
  end if;
  if not _mark_tests.is_handed_over then
    -- it never left: its sender need not keep a gap to it
    update drip_core.lanes as l
    set next_slot_at = v_now, ready_at = v_now
    from (
      select k.channel_account_id
      from drip_core.lanes as k
      join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = k.channel_account_id and a.min_gap is not null
      where k.organization_id = v_org and k.leased = 0 and k.channel_account_id in (
        select t.channel_account_id from drip_core.test_messages as t where t.organization_id = v_org and t.id = any (v_ids)
      )
      for no key update of k skip locked
    ) as x
    where l.organization_id = v_org and l.channel_account_id = x.channel_account_id;
  end if;
  return cardinality(v_ids);
end;
$$;

revoke all on function drip_core._mark_tests(bigint, jsonb, boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._mark_tests(bigint, jsonb, boolean) is 'The tests among claims: marked as handed over, or given back; how many.';
