-- owner: drip_engine
-- requires: functions/internal/_parse_claims.sql, functions/internal/_release_claims.sql, functions/internal/_return_capacity.sql, functions/internal/_mark_tests.sql
-- Gives claims back that were not started, as a stopping runner does: due again at once, capacity returned. A claim that
-- was handed over is left to its lease.
-- Locks: per organization the enrollments in id order, then their lanes in id order. Errors: PT422. A repeat changes nothing.
create or replace function drip.release(claims jsonb)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_org bigint;
  v_ids bigint[];
  v_lanes bigint[];
  v_total int := 0;
begin
  for v_org in
    select distinct c.organization_id from drip_core._parse_claims(release.claims) as c order by c.organization_id
  loop
    v_ids := array(
      select e.id
      from drip_core.enrollments as e
      join drip_core._parse_claims(release.claims) as c
        on c.organization_id = v_org and c.enrollment_id = e.id and c.claim_token = e.claim_token
      where e.organization_id = v_org and e.lease_expires_at is not null and e.handed_over_at is null
      order by e.id
      for no key update of e
    );
    v_lanes := array(
      select e.channel_account_id from drip_core.enrollments as e where e.organization_id = v_org and e.id = any (v_ids)
    );
    perform drip_core._release_claims(v_org, v_ids, v_now);
    perform drip_core._return_capacity(v_org, v_lanes, '{}', false);
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, e.channel_account_id, e.sequence_id, min(e.next_step_at)
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (v_ids) and e.status = 'active'
    group by e.channel_account_id, e.sequence_id;
    delete from drip_core.detached_claims as d
    where d.organization_id = v_org and d.enrollment_id = any (v_ids);
    v_total := v_total + cardinality(v_ids) + drip_core._mark_tests(v_org, release.claims, false);
  end loop;
  return v_total;
end;
$$;

revoke all on function drip.release(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.release(jsonb) to drip_runner;
comment on function drip.release(jsonb) is
'Gives claims [{organization_id, enrollment_id, claim_token}] back that were not handed over; returns how many. Errors: PT422.';
