-- owner: drip_engine
-- requires: functions/internal/_parse_claims.sql, functions/internal/_mark_tests.sql
-- Marks messages as about to be handed to their provider, so that a crash holds only what was really in flight. Only
-- claims that are still valid are counted: a runner that gets a smaller number than it asked for asks one by one, and
-- sends only what counts. Where the sender resends, nothing is written. The mark survives a crash of the server even
-- where commits are asynchronous: a lost mark would be a message sent twice.
-- Locks: the enrollments in id order. Errors: PT422. A repeat changes nothing.
create or replace function drip.hand_over(claims jsonb)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_org bigint;
  v_ids bigint[];
  v_hold_ids bigint[];
  v_total int := 0;
begin
  for v_org in
    select distinct c.organization_id from drip_core._parse_claims(hand_over.claims) as c order by c.organization_id
  loop
    v_ids := array(
      select e.id
      from drip_core.enrollments as e
      join drip_core._parse_claims(hand_over.claims) as c
        on c.organization_id = v_org and c.enrollment_id = e.id and c.claim_token = e.claim_token
      where e.organization_id = v_org and e.lease_expires_at is not null
      order by e.id
      for no key update of e
    );
    v_hold_ids := array(
      select e.id
      from drip_core.enrollments as e
      join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = e.channel_account_id
      where e.organization_id = v_org and e.id = any (v_ids) and e.handed_over_at is null and a.on_unknown = 'hold'
    );
    if cardinality(v_hold_ids) > 0 and current_setting('synchronous_commit') = 'off' then
      perform set_config('synchronous_commit', 'local', true);
    end if;
    update drip_core.enrollments as e
    set handed_over_at = v_now
    where e.organization_id = v_org and e.id = any (v_hold_ids);
    v_total := v_total + cardinality(v_ids);
    if exists (select from drip_core.test_messages as t where t.organization_id = v_org and t.due_at is not null) then
      v_total := v_total + drip_core._mark_tests(v_org, hand_over.claims, true);
    end if;
  end loop;
  return v_total;
end;
$$;

revoke all on function drip.hand_over(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.hand_over(jsonb) to drip_runner;
comment on function drip.hand_over(jsonb) is
'Marks claims [{organization_id, enrollment_id, claim_token}] as handed to their provider; returns how many are still valid. Errors: PT422.';
