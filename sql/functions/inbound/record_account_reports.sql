-- owner: drip_engine
-- requires: functions/internal/_require_served_organization.sql, functions/internal/_read_time.sql, functions/internal/_hash_address.sql, functions/internal/_withdraw_consent.sql, functions/internal/_normalise_phone.sql, functions/internal/_lock_person.sql
-- Records what a provider says of a sender itself, not of a message: it is blocked, what it may send a day, what became of a
-- template, that a person stopped it there. Each for itself: one that cannot be read stops no other. What happened before
-- something newer that is known changes nothing, so order and copies do not matter.
-- Keys: type, occurred_at, detail, phone_number_id or address (of the sender, where it is another one than account_key), and
--   throttled         seconds: its lane waits that long from occurred_at
--   blocked           its lane is blocked until drip.resume_lane
--   limit             limit: messages a day (null: none)
--   template_status   template, language, status
--   opted_out         contact_address or user_id: suppressed on the channel, what is open ends
-- Of a person's call (or a bound login's) there is one entry in the audit trail.
-- Answers recorded, ignored (known, or older), unknown (no such sender, template or person) or invalid.
-- Locks, all at the start: accounts, contacts and their open enrollments, lanes, templates; then suppressions. Errors: PT403, PT404, PT422 (no array, over 10,000).
create or replace function drip.record_account_reports(organization_id bigint, account_key text, reports jsonb)
returns table (ordinal int, outcome text, detail text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := record_account_reports.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_statuses constant text[] := array[
    'approved', 'pending', 'rejected', 'paused', 'disabled', 'in_appeal', 'deleted', 'pending_deletion', 'archived', 'limit_exceeded', 'locked'
  ];
  v_own drip_core.channel_accounts;
  v_account drip_core.channel_accounts;
  v_item record;
  v_new jsonb;
  v_at timestamptz;
  v_count int;
  v_hash bytea;
  v_limited bigint[];
  v_lanes bigint[];
  v_hashes bytea[];
begin
  perform drip_core._require_served_organization(v_org, 'record_account_reports');
  if record_account_reports.reports is null or jsonb_typeof(record_account_reports.reports) <> 'array'
    or jsonb_array_length(record_account_reports.reports) > 10000
  then
    raise exception 'invalid reports'
      using errcode = 'PT422', detail = 'reports: a JSON array of at most 10,000 reports is needed', hint = 'Call it in batches.';
  end if;
  select a.* into v_own
  from drip_core.channel_accounts as a
  where a.organization_id = v_org and a.key = record_account_reports.account_key;
  if v_own.id is null then
    raise exception 'channel account not found'
      using errcode = 'PT404', detail = format('account_key: %s', coalesce(left(record_account_reports.account_key, 100), 'null')),
        hint = 'drip.list_channel_accounts shows the senders there are.';
  end if;

  perform drip_core._audit_person(v_org, 'record_account_reports', jsonb_build_object(
    'account_key', v_own.key, 'reports', jsonb_build_object('count', jsonb_array_length(record_account_reports.reports))));

  -- whatever the order of the reports, rows are locked in the order of locks
  select
    array_agg(a.id) filter (where r.value ->> 'type' = 'limit'),
    array_agg(a.id) filter (where r.value ->> 'type' in ('limit', 'blocked', 'throttled')),
    array_agg(drip_core._hash_address(v_own.channel, coalesce(r.value ->> 'contact_address', r.value ->> 'user_id')))
      filter (where r.value ->> 'type' = 'opted_out')
  into v_limited, v_lanes, v_hashes
  from jsonb_array_elements(record_account_reports.reports) as r
  join drip_core.channel_accounts as a
    on a.organization_id = v_org and a.provider = v_own.provider
    and (a.id = v_own.id or a.config ->> 'phone_number_id' = r.value ->> 'phone_number_id'
      or drip_core._normalise_phone(a.address) = drip_core._normalise_phone(r.value ->> 'address'));
  perform from drip_core.channel_accounts as a
  where a.organization_id = v_org and a.id = any (v_limited)
  order by a.id
  for no key update;
  if v_hashes is not null then
    perform drip_core._lock_person(v_org, v_own.channel, '{}', v_hashes || array(
      select l.address_hash from drip_core.address_aliases as l
      where l.organization_id = v_org and l.channel = v_own.channel and l.alias_hash = any (v_hashes)
    ), null);
  end if;
  perform from drip_core.lanes as l
  where l.organization_id = v_org and l.channel_account_id = any (v_lanes)
  order by l.channel_account_id
  for no key update;
  perform from drip_core.whatsapp_templates as t
  where t.organization_id = v_org and t.name = any (array(
    select r.value ->> 'template' from jsonb_array_elements(record_account_reports.reports) as r where r.value ->> 'type' = 'template_status'
  ))
  order by t.name, t.language
  for no key update;

  for v_item in
    select e.value, e.position::int as position
    from jsonb_array_elements(record_account_reports.reports) with ordinality as e (value, position)
    order by e.position
  loop
    ordinal := v_item.position;
    outcome := 'unknown';
    detail := null;
    v_new := case when jsonb_typeof(v_item.value) = 'object' then jsonb_strip_nulls(v_item.value) else '{}' end;
    v_at := drip_core._read_time(v_new ->> 'occurred_at');
    detail := case
      when coalesce(v_new ->> 'type', '') not in ('blocked', 'throttled', 'limit', 'template_status', 'opted_out') then
        'type: one of blocked, throttled, limit, template_status, opted_out is needed'
      when v_new ? 'occurred_at' and v_at is null then 'occurred_at: a time such as 2026-12-01T09:30:00Z is needed'
      when v_new ? 'limit' and coalesce(v_new ->> 'limit', '') !~ '^[0-9]{1,9}$' then 'limit: a whole number is needed, or null for none'
      when v_new ->> 'type' = 'throttled' and coalesce(v_new ->> 'seconds', '') !~ '^[0-9]{1,6}$' then 'seconds: a whole number is needed'
      when v_new ->> 'type' = 'template_status' and coalesce(v_new ->> 'status', '') <> all (v_statuses) then
        'status: one of ' || array_to_string(v_statuses, ', ') || ' is needed'
    end;
    if detail is not null then
      outcome := 'invalid';
      return next;
      continue;
    end if;
    v_at := least(coalesce(v_at, v_now), v_now);

    v_account := v_own;
    if v_new ? 'phone_number_id' or v_new ? 'address' then
      v_account := null;
      select a.* into v_account
      from drip_core.channel_accounts as a
      where a.organization_id = v_org and a.provider = v_own.provider
        and (a.config ->> 'phone_number_id' = v_new ->> 'phone_number_id'
          or drip_core._normalise_phone(a.address) = drip_core._normalise_phone(v_new ->> 'address'))
      order by a.id
      limit 1;
      if v_account.id is null then
        return next;
        continue;
      end if;
    end if;

    case v_new ->> 'type'
      when 'blocked' then
        -- somebody who resumed it since knew better; the provider's times are whole seconds
        update drip_core.lanes as l
        set status = 'blocked', reason = 'sender_blocked', detail = left(v_new ->> 'detail', 500), status_changed_at = v_now
        where l.organization_id = v_org and l.channel_account_id = v_account.id and l.status <> 'blocked'
          and date_trunc('second', l.status_changed_at) <= v_at;
        get diagnostics v_count = row_count;
        outcome := case when v_count > 0 then 'recorded' else 'ignored' end;
      when 'throttled' then
        update drip_core.lanes as l
        set next_slot_at = u.until, slot_reason = 'throttled', ready_at = greatest(l.ready_at, u.until)
        from (select v_at + make_interval(secs => (v_new ->> 'seconds')::int) as until) as u
        where l.organization_id = v_org and l.channel_account_id = v_account.id and u.until > v_now
          and coalesce(l.next_slot_at < u.until, true);
        get diagnostics v_count = row_count;
        outcome := case when v_count > 0 then 'recorded' else 'ignored' end;
      when 'limit' then
        update drip_core.channel_accounts as a
        set provider_limit = (v_new ->> 'limit')::int, provider_limit_at = v_at
        where a.organization_id = v_org and a.id = v_account.id and coalesce(a.provider_limit_at <= v_at, true);
        get diagnostics v_count = row_count;
        outcome := case when v_count > 0 then 'recorded' else 'ignored' end;
        if v_count > 0 then
          -- it may have been raised: what waits for tomorrow may go today
          update drip_core.lanes as l
          set ready_at = least(l.ready_at, greatest(v_now, l.next_slot_at))
          where l.organization_id = v_org and l.channel_account_id = v_account.id;
        end if;
      when 'template_status' then
        update drip_core.whatsapp_templates as t
        set
          status = v_new ->> 'status', status_at = v_at, updated_at = v_now,
          unavailable_until = null, unavailable_detail = left(v_new ->> 'detail', 500)
        where t.organization_id = v_org and t.name = v_new ->> 'template'
          and t.language = replace(v_new ->> 'language', '-', '_') and coalesce(date_trunc('second', t.status_at) <= v_at, true);
        get diagnostics v_count = row_count;
        outcome := case
          when v_count > 0 then 'recorded'
          when exists (
            select from drip_core.whatsapp_templates as t
            where t.organization_id = v_org and t.name = v_new ->> 'template' and t.language = replace(v_new ->> 'language', '-', '_')
          ) then 'ignored'
          else 'unknown'
        end;
      else
        v_hash := drip_core._hash_address(v_account.channel, coalesce(v_new ->> 'contact_address', v_new ->> 'user_id'));
        v_hash := coalesce((
          select l.address_hash
          from drip_core.address_aliases as l
          where l.organization_id = v_org and l.channel = v_account.channel and l.alias_hash = v_hash
            and not exists (select from drip_core.contacts as c where c.organization_id = v_org and c.phone_hash = v_hash)
        ), v_hash);
        if v_hash is not null then
          if exists (
            -- taken back since, or known
            select from drip_core.suppressions as sp
            where sp.organization_id = v_org and sp.channel = v_account.channel and sp.address_hash = v_hash and sp.scope = 'all'
              and (sp.lifted_at is null or sp.lifted_at > v_at)
          ) then
            outcome := 'ignored';
          else
            perform drip_core._withdraw_consent(
              v_org, v_account.channel, '{}', array[v_hash], 'opted_out', null, 'provider',
              jsonb_build_object('occurred_at', v_at, 'provider', v_account.provider), jsonb_build_object('source', 'provider'), null, null);
            outcome := 'recorded';
          end if;
        end if;
    end case;
    return next;
  end loop;
end;
$$;

revoke all on function drip.record_account_reports(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.record_account_reports(bigint, text, jsonb) to drip_app, drip_runner;
comment on function drip.record_account_reports(bigint, text, jsonb) is
'Records what a provider says of a sender itself (blocked, throttled, limit, template_status, opted_out); one row each: ordinal (from 1), outcome (recorded, ignored, unknown, invalid), detail. Errors: PT403, PT404, PT422.';
