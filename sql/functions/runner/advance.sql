-- owner: drip_engine
-- requires: functions/internal/_parse_results.sql, functions/internal/_settle_messages.sql, functions/internal/_settle_tests.sql
-- Settles results of providers, each by (organization_id, enrollment_id, claim_token), set-based per organization. A stale
-- token changes nothing and what it says is kept in late_results; of duplicates in one array the first counts. One bad
-- message never affects the others. Answers in input order.
-- Locks: per organization (in id order) the enrollments in id order, then their lanes in id order.
-- Errors: PT422 (nothing is settled then; say it again, corrected). A repeat answers stale.
create or replace function drip.advance(results jsonb)
returns table (enrollment_id bigint, disposition text)
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
#variable_conflict use_column
declare
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
  v_results drip_core.provider_result[] := drip_core._parse_results(advance.results);
  v_answers drip_core.disposition[] := array[]::drip_core.disposition[];
  v_settled drip_core.disposition[];
  v_org bigint;
begin
  for v_org in select distinct r.organization_id from unnest(v_results) as r order by r.organization_id loop
    if v_allowed is not null and v_org <> all (v_allowed) then
      raise exception 'organization not found'
        using errcode = 'PT404', detail = format('organization_id: %s', v_org), hint = 'A bound login settles messages of its own organization.';
    end if;
    v_settled := drip_core._settle_messages(v_org, array(
      select r from unnest(v_results) as r where r.organization_id = v_org
    ));
    if cardinality(v_settled) < (select count(*) from unnest(v_results) as r where r.organization_id = v_org)
      and exists (select from drip_core.test_messages as t where t.organization_id = v_org)
    then
      v_settled := v_settled || drip_core._settle_tests(v_org, array(
        select r from unnest(v_results) as r
        where r.organization_id = v_org and not exists (select from unnest(v_settled) as x where x.ordinal = r.ordinal)
      ));
    end if;
    v_answers := v_answers || v_settled;
  end loop;
  return query
  select r.enrollment_id, coalesce(a.disposition, 'stale')
  from unnest(v_results) as r
  left join unnest(v_answers) as a on a.ordinal = r.ordinal
  order by r.ordinal;
end;
$$;

revoke all on function drip.advance(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.advance(jsonb) to drip_runner;
comment on function drip.advance(jsonb) is
'Settles provider results [{organization_id, enrollment_id, claim_token, outcome, provider_message_id, occurred_at, reason, error_code, error_message, retry_at}]; answers in input order: advanced, completed, retry_scheduled, failed, bounced, deferred, held, stale. Errors: PT422.';
