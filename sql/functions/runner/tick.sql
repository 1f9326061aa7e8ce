-- owner: drip_engine
-- requires: functions/internal/_expire_leases.sql, functions/internal/_match_parked.sql, functions/internal/_retry_reactions.sql, functions/internal/_guard_senders.sql, functions/internal/_return_capacity.sql, functions/internal/_ensure_event_partitions.sql, functions/internal/_release_claims.sql, functions/internal/_purge.sql, functions/internal/_replace_event_month.sql, functions/internal/_continue_replans.sql, functions/internal/_expire_tests.sql, functions/internal/_purge_tests.sql, functions/internal/_add_up_reports.sql, functions/internal/_build_reports.sql
-- Upkeep, in bounded pieces: queues that must be read from their beginning again (expired leases, regular probe), expired
-- claims of enrollments that were paused or ended in flight, partitions made ahead and the purge that drip.apply_retention
-- asks for (neither by a login that is bound to organizations: they are the installation's), enrollments that must be planned anew
-- because a time zone, a window or holidays changed, facts that came early, reactions that failed, counts of the reports. Safe from several sessions at once.
-- Locks: lanes, then enrollments, then queues, each with skip locked; partitions under their own lock. A tick that drops
-- an old month of events does nothing else: it needs events for itself, for milliseconds.
-- Errors: none. A repeat goes on where the last one stopped.
create or replace function drip.tick()
returns jsonb
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
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
  v_queue record;
  v_claim record;
  v_expired record;
  v_row drip_core.enrollments;
  v_probed int := 0;
  v_released int := 0;
  v_held int := 0;
  v_partitions int := 0;
  v_replanned int;
  v_counted int;
  v_facts jsonb;
  v_purged jsonb := '{}'::jsonb;
begin
  if v_allowed is null and drip_core._replace_event_month(v_now) then
    return jsonb_build_object('queues_probed', 0, 'leases_released', 0, 'messages_held', 0, 'partitions_made', 0, 'months_reduced', 1);
  end if;

  -- before leases expire: a fact proves that its message was sent
  v_facts := jsonb_strip_nulls(jsonb_build_object(
    'facts_matched', nullif(drip_core._match_parked(v_allowed, 500), 0),
    'reactions_resolved', nullif(drip_core._retry_reactions(v_allowed, 100), 0),
    'senders_paused', nullif(drip_core._guard_senders(v_allowed), 0)));

  for v_queue in
    select q.organization_id, q.channel_account_id, q.sequence_id
    from drip_core.queues as q
    where q.recheck_at <= v_now and (v_allowed is null or q.organization_id = any (v_allowed))
    order by q.recheck_at
    limit 200
  loop
    perform
    from drip_core.lanes as l
    where l.organization_id = v_queue.organization_id and l.channel_account_id = v_queue.channel_account_id
    for no key update skip locked;
    continue when not found;
    perform
    from drip_core.queues as q
    where q.organization_id = v_queue.organization_id and q.channel_account_id = v_queue.channel_account_id
      and q.sequence_id = v_queue.sequence_id and q.recheck_at <= v_now
    for no key update skip locked;
    continue when not found;

    select x.released, x.held, x.next_expiry
    into v_expired
    from drip_core._expire_leases(v_queue.organization_id, v_queue.channel_account_id, v_queue.sequence_id, v_now) as x;
    if v_expired.released + v_expired.held > 0 then
      perform drip_core._return_capacity(
        v_queue.organization_id,
        array_fill(v_queue.channel_account_id, array[v_expired.released]),
        array_fill(v_queue.channel_account_id, array[v_expired.held]),
        true);
    end if;
    update drip_core.queues as q
    set due_from = '-infinity', due_from_id = 0, recheck_at = least(v_now + interval '5 minutes', v_expired.next_expiry)
    where q.organization_id = v_queue.organization_id and q.channel_account_id = v_queue.channel_account_id
      and q.sequence_id = v_queue.sequence_id;
    update drip_core.lanes as l
    set ready_at = least(l.ready_at, greatest(v_now, l.next_slot_at))
    where l.organization_id = v_queue.organization_id and l.channel_account_id = v_queue.channel_account_id
      and exists (
        select from drip_core.enrollments as e
        where e.organization_id = v_queue.organization_id and e.channel_account_id = v_queue.channel_account_id
          and e.sequence_id = v_queue.sequence_id and e.status = 'active' and e.next_step_at <= v_now and e.claim_token is null
      );
    v_probed := v_probed + 1;
    v_released := v_released + v_expired.released;
    v_held := v_held + v_expired.held;
  end loop;

  v_released := v_released + drip_core._expire_tests(v_allowed, v_now);

  for v_claim in
    select d.organization_id, d.enrollment_id, d.channel_account_id, d.claim_token
    from drip_core.detached_claims as d
    where d.lease_expires_at <= v_now and (v_allowed is null or d.organization_id = any (v_allowed))
    order by d.lease_expires_at
    limit 1000
  loop
    perform
    from drip_core.lanes as l
    where l.organization_id = v_claim.organization_id and l.channel_account_id = v_claim.channel_account_id
    for no key update skip locked;
    continue when not found;
    select e.*
    into v_row
    from drip_core.enrollments as e
    where e.organization_id = v_claim.organization_id and e.id = v_claim.enrollment_id
    for no key update skip locked;
    continue when not found;
    if v_row.claim_token = v_claim.claim_token and v_row.lease_expires_at <= v_now then
      select x.released, x.held
      into v_expired
      from drip_core._release_claims(v_claim.organization_id, array[v_claim.enrollment_id], v_now) as x;
      perform drip_core._return_capacity(
        v_claim.organization_id,
        array_fill(v_claim.channel_account_id, array[v_expired.released]),
        array_fill(v_claim.channel_account_id, array[v_expired.held]),
        true);
      v_released := v_released + v_expired.released;
      v_held := v_held + v_expired.held;
    end if;
    delete from drip_core.detached_claims as d
    where d.organization_id = v_claim.organization_id and d.enrollment_id = v_claim.enrollment_id and d.claim_token = v_claim.claim_token;
  end loop;

  if v_allowed is null then
    v_purged := drip_core._purge(v_now) || jsonb_strip_nulls(jsonb_build_object('tests_purged', nullif(drip_core._purge_tests(v_now), 0)));
    -- for as long as this goes on nobody's event reaches the default partition
    v_partitions := drip_core._ensure_event_partitions(v_now);
  end if;
  v_replanned := drip_core._continue_replans(v_allowed, 2000);
  v_counted := drip_core._add_up_reports(v_allowed);
  perform drip_core._build_reports(v_allowed);
  return jsonb_build_object(
    'queues_probed', v_probed, 'leases_released', v_released, 'messages_held', v_held, 'partitions_made', v_partitions)
    || case when v_replanned > 0 then jsonb_build_object('enrollments_replanned', v_replanned) else '{}' end
    || case when v_counted > 0 then jsonb_build_object('counts_added_up', v_counted) else '{}' end
    || v_facts || v_purged;
end;
$$;

revoke all on function drip.tick() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.tick() to drip_runner;
comment on function drip.tick() is
'Bounded upkeep, safe from several sessions: expired leases, regular probes, partitions, retention (the last two not by a bound login). Returns counts: queues_probed, leases_released, messages_held, partitions_made; where there was any also enrollments_replanned and counts_added_up; where drip.apply_retention asks for it also message_values_purged, late_results_purged, raw_facts_purged, audit_entries_purged, events_reduced, months_reduced; where facts came early, reactions had failed or senders went over their guardrails also facts_matched, reactions_resolved, senders_paused; tests_purged where tests were over thirty days ago.';
