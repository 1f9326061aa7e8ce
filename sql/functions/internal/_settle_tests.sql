-- owner: drip_engine
-- Settles results of tests, those of one organization; see drip.advance. A test counts nowhere, so nothing but its own row
-- changes, and the gap of its sender starts. Tried three times at most; whatever happens to it, the sender is not blamed.
-- Locks: the tests, then lanes with a gap, each with skip locked: the caller holds lanes already. Errors: none. A repeat answers nothing.
create or replace function drip_core._settle_tests(organization_id bigint, results drip_core.provider_result[])
returns drip_core.disposition[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _settle_tests.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_result record;
  v_disposition text;
  v_answers drip_core.disposition[] := array[]::drip_core.disposition[];
begin
  for v_result in
    select
      r.ordinal, r.outcome, r.provider_message_id, r.error_code, r.error_message, t.id, t.attempt, t.channel_account_id, t.status, c.erased_at,
      greatest(v_now + interval '10 seconds', least(coalesce(r.retry_at, v_now + interval '1 minute'), v_now + interval '1 hour')) as again_at
    from unnest(_settle_tests.results) as r
    join drip_core.test_messages as t on t.organization_id = v_org and t.id = r.enrollment_id and t.claim_token = r.claim_token
    join drip_core.contacts as c on c.organization_id = v_org and c.id = t.contact_id
    where t.status in ('in_flight', 'unknown')
    order by t.id, r.ordinal
    for no key update of t skip locked
  loop
    -- of duplicates the first counts
    continue when not exists (
      select from drip_core.test_messages as t
      where t.organization_id = v_org and t.id = v_result.id and t.status in ('in_flight', 'unknown') and t.status = v_result.status
    );
    v_disposition := case
      when v_result.outcome = 'sent' then 'completed'
      when v_result.outcome = 'unknown' then 'held'
      when v_result.outcome in ('retry', 'throttled') and v_result.attempt < 3 and v_result.status = 'in_flight'
        then case v_result.outcome when 'retry' then 'retry_scheduled' else 'deferred' end
      else 'failed'
    end;
    update drip_core.test_messages as t
    set
      status = case v_disposition when 'completed' then 'sent' when 'held' then 'unknown' when 'failed' then 'failed' else 'waiting' end::drip.test_status,
      due_at = case when v_disposition in ('retry_scheduled', 'deferred') then v_result.again_at end,
      settled_at = case when v_disposition not in ('retry_scheduled', 'deferred') then v_now end,
      claim_token = case when v_disposition = 'held' then t.claim_token end,
      handed_over_at = null,
      -- of an erased person nothing is written down again
      provider_message_id = case when v_result.erased_at is null then v_result.provider_message_id end,
      error_code = v_result.error_code,
      error_message = case when v_result.erased_at is null then v_result.error_message end
    where t.organization_id = v_org and t.id = v_result.id;
    update drip_core.lanes as l
    set next_slot_at = x.gap_until, slot_reason = 'pacing', ready_at = x.gap_until
    from (
      select k.channel_account_id, v_now + a.min_gap + random() * (a.max_gap - a.min_gap) as gap_until
      from drip_core.lanes as k
      join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = k.channel_account_id and a.min_gap is not null
      where k.organization_id = v_org and k.channel_account_id = v_result.channel_account_id and k.leased = 0
      for no key update of k skip locked
    ) as x
    where l.organization_id = v_org and l.channel_account_id = x.channel_account_id;
    v_answers := v_answers || row(v_result.ordinal, v_disposition)::drip_core.disposition;
  end loop;
  return v_answers;
end;
$$;

revoke all on function drip_core._settle_tests(bigint, drip_core.provider_result[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._settle_tests(bigint, drip_core.provider_result[]) is 'Settles results of tests of one organization and answers with a disposition each.';
