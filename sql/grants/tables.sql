-- Who may touch which table: a decision for each, or this file fails. Row-level security is enabled and forced everywhere.
--   tenant   rows of one organization: the API's owner works on the caller's organization only, the engine on all
--   global   people, shared by organizations: the engine only
--   engine   the engine only
--   lookup   the same for everybody: read by both owners
--   ledger   the migrator's
-- Reporting views read as their caller, so drip_analyst has select on exactly the columns they read, without addresses.
-- Locks: access exclusive on a table only where its security has to be changed.
do $$
declare
  v_row record;
  v_missing text;
  v_policy text;
  v_decisions constant jsonb := '{
    "contacts": "tenant", "contact_tags": "tenant", "deals": "tenant", "consent_ledger": "tenant", "suppressions": "tenant",
    "channel_accounts": "tenant", "lanes": "tenant", "whatsapp_templates": "tenant", "sequences": "tenant",
    "sequence_versions": "tenant", "steps": "tenant", "version_senders": "tenant", "queues": "tenant", "wakeups": "tenant",
    "enrollments": "tenant", "messages": "tenant", "held_messages": "tenant", "detached_claims": "tenant",
    "late_results": "tenant", "events": "tenant", "members": "tenant", "organizations": "tenant",
    "reduced_events": "tenant", "replans": "tenant", "inbound_messages": "tenant", "provider_events": "tenant",
    "reaction_failures": "tenant", "tracking_hits": "tenant", "step_links": "tenant", "inboxes": "tenant", "sender_hours": "tenant",
    "address_aliases": "tenant", "address_checks": "tenant", "address_locks": "tenant", "audit_entries": "tenant", "assigned_secrets": "tenant", "test_messages": "tenant",
    "report_deltas": "tenant", "report_cells": "tenant", "report_facts": "tenant", "report_conversions": "tenant", "report_builds": "tenant",
    "profiles": "global", "login_organizations": "engine", "secret_keys": "engine", "retention": "engine", "simulations": "engine",
    "role_permissions": "lookup", "reasons": "lookup", "machine_agents": "lookup", "bounce_codes": "lookup", "status_transitions": "lookup", "timezones": "lookup",
    "migrations": "ledger", "migration_state": "ledger"
  }';
begin
  select string_agg(c.relname, ', ' order by c.relname)
  into v_missing
  from pg_catalog.pg_class as c
  where c.relnamespace = 'drip_core'::regnamespace
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and not v_decisions ? c.relname;
  if v_missing is not null then
    raise exception 'tables without a decision on who may touch them: %', v_missing
      using hint = 'List them in sql/grants/tables.sql.';
  end if;

  for v_row in
    select c.oid::regclass as name, c.relname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
      v_decisions ->> c.relname as kind,
      case c.relname when 'organizations' then 'id' else 'organization_id' end as column_name
    from pg_catalog.pg_class as c
    where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p')
  loop
    if not v_row.relrowsecurity or not v_row.relforcerowsecurity then
      execute format('alter table %s enable row level security', v_row.name);
      execute format('alter table %s force row level security', v_row.name);
    end if;
    execute format('revoke all on %s from public, drip_app, drip_runner, drip_public, drip_analyst, drip_simulator', v_row.name);
    -- a partition is reached through its parent only
    continue when v_row.relispartition;

    if v_row.kind in ('tenant', 'global', 'engine', 'lookup') then
      execute format('grant select, insert, update, delete on %s to drip_engine', v_row.name);
      if not exists (select from pg_catalog.pg_policy as p where p.polrelid = v_row.name and p.polname = 'the_engine_works_for_all') then
        execute format('create policy the_engine_works_for_all on %s to drip_engine using (true) with check (true)', v_row.name);
      end if;
    end if;
    v_policy := case v_row.kind
      when 'tenant' then format(
        'create policy own_organization_only on %1$s to drip_owner, drip_analyst using (%2$I = (select drip_core.current_organization())) with check (%2$I = (select drip_core.current_organization()))',
        v_row.name, v_row.column_name)
      when 'lookup' then format('create policy everybody_reads on %s for select to drip_owner, drip_analyst using (true)', v_row.name)
    end;
    if v_policy is not null and not exists (
      select from pg_catalog.pg_policy as p
      where p.polrelid = v_row.name and p.polname in ('own_organization_only', 'everybody_reads')
    ) then
      execute v_policy;
    end if;
  end loop;

  for v_row in
    select format('%I.%I', n.nspname, t.typname) as name
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    left join pg_catalog.pg_class as c on c.oid = t.typrelid
    where n.nspname in ('drip', 'drip_core', 'drip_report') and (t.typtype = 'e' or (t.typtype = 'c' and c.relkind = 'c'))
  loop
    execute format('revoke all on type %s from public', v_row.name);
  end loop;
end;
$$;

revoke all on all sequences in schema drip_core from public, drip_app, drip_runner, drip_public, drip_analyst, drip_simulator;
grant usage on all sequences in schema drip_core to drip_engine;

grant select (id, name, timezone) on drip_core.organizations to drip_analyst;
grant select (organization_id, id, key, name, status, current_version) on drip_core.sequences to drip_analyst;
grant select (organization_id, sequence_id, version, step_count, published_at) on drip_core.sequence_versions to drip_analyst;
grant select (organization_id, id, sequence_id, version, step_no, key, channel) on drip_core.steps to drip_analyst;
grant select (
  organization_id, id, key, channel, daily_limit, ramp_start, ramp_increment, min_gap, max_gap, timezone, provider_limit
) on drip_core.channel_accounts to drip_analyst;
grant select (
  organization_id, channel_account_id, status, reason, detail, next_slot_at, slot_reason, counter_day, used, leased, held, first_claim_day
) on drip_core.lanes to drip_analyst;
grant select (
  organization_id, id, sequence_id, version, contact_id, entry_no, status, status_reason, step_id, channel_account_id, next_step_at,
  lease_expires_at, enrolled_at
) on drip_core.enrollments to drip_analyst;
grant select (
  organization_id, enrollment_id, step_id, sequence_id, version, channel, channel_account_id, status, reason, settled_at
) on drip_core.messages to drip_analyst;
grant select (
  organization_id, enrollment_id, step_id, channel_account_id, claim_token, handed_over_at, held_at, error_code
) on drip_core.held_messages to drip_analyst;
grant select (
  organization_id, id, recorded_at, occurred_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel,
  channel_account_id, is_machine, is_test
) on drip_core.events to drip_analyst;
grant select (
  organization_id, id, contact_id, channel, state, is_effective, basis, source, wording_version, actor_profile_id, occurred_at, recorded_at, step_id
) on drip_core.consent_ledger to drip_analyst;
grant select (organization_id, id, channel, sequence_id, reason, created_at, lifted_at, lifted_by) on drip_core.suppressions to drip_analyst;
grant select (
  organization_id, id, kind, fact_id, contact_id, enrollment_id, reason, occurred_at, failed_at, error_code, attempts, next_try_at,
  resolved_at
) on drip_core.reaction_failures to drip_analyst;
grant select (organization_id, id, type, state, occurred_at, recorded_at, next_try_at, enrollment_id) on drip_core.provider_events to drip_analyst;
grant select (organization_id, id, class, state, channel, received_at, recorded_at, next_try_at, enrollment_id) on drip_core.inbound_messages to drip_analyst;
grant select (
  organization_id, scope, sequence_id, version, day, step_id, channel_account_id, subject, outcome, reason, error_code, enrolled, active,
  paused, completed, failed, exited, removed, bounced, unsubscribed, contacted, sender_contacted, channel_contacted, messages_sent,
  messages_failed, reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens, machine_clicks,
  replies, unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions, sender_replies,
  sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
  channel_conversions, auto_replies, occurrences
) on drip_core.report_cells to drip_analyst;
grant select (
  organization_id, id, scope, sequence_id, version, cohort_day, day, step_id, channel_account_id, subject, outcome, reason, error_code,
  enrolled, active, paused, completed, failed, exited, removed, bounced, unsubscribed, contacted, sender_contacted, channel_contacted,
  messages_sent, messages_failed, reached, skipped, delivered, messages_bounced, messages_opened, messages_clicked, machine_opens,
  machine_clicks, replies, unsubscribes, complaints, conversions, step_replies, step_unsubscribes, step_complaints, step_conversions,
  sender_replies, sender_unsubscribes, sender_complaints, sender_conversions, channel_replies, channel_unsubscribes, channel_complaints,
  channel_conversions, auto_replies, occurrences
) on drip_core.report_deltas to drip_analyst;
grant select (
  organization_id, id, enrollment_id, contact_id, sequence_id, version, step_id, channel_account_id, converted_at, deal_id, amount,
  currency
) on drip_core.report_conversions to drip_analyst;
grant execute on function drip_core.now() to drip_analyst, drip_engine;
