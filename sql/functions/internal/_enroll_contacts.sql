-- requires: functions/internal/_known_timezone.sql, functions/internal/_choose_sender.sql, functions/internal/_consent_of.sql, functions/internal/_fixed_values.sql, functions/internal/_merge_values.sql, functions/internal/_plan_step.sql, functions/internal/_sending_windows.sql, functions/internal/_sender_candidates.sql, functions/internal/_sequence_id.sql
-- Enrolls contacts (with their deals, or null) in one sequence: the one implementation behind every enroll function.
-- Set-based; one typed outcome per distinct contact, in the order given. Uniqueness is the constraint's affair:
-- of concurrent callers one inserts, the others learn already_active. No existing row is ever rewritten.
-- Locks: the sequence with key share (against archiving); rows of contacts, version, step and lanes with key share, by
-- foreign key, contacts in id order. No lane is locked: wakeups tell them.
-- Errors: PT404 (sequence), PT422 (start_at). A repeat answers already_active or already_finished.
create or replace function drip_core._enroll_contacts(
  organization_id bigint, sequence_key text, contact_ids bigint[], deal_ids bigint[], start_at timestamptz, source text
)
returns table (contact_id bigint, enrollment_id bigint, outcome drip.enroll_outcome)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _enroll_contacts.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_start constant timestamptz := greatest(coalesce(_enroll_contacts.start_at, v_now), v_now);
  v_profile constant uuid := drip_core.current_profile();
  v_sequence drip_core.sequences;
  v_version drip_core.sequence_versions;
  v_step drip_core.steps;
  v_organization drip_core.organizations;
  v_fixed_values text[];
  v_window record;
  v_template_missing boolean;
  v_given bigint[];
  v_deals bigint[];
  v_outcomes drip.enroll_outcome[];
  v_existing bigint[];
  v_entry_nos int[];
  v_inserted_contacts bigint[];
  v_inserted bigint[];
begin
  if _enroll_contacts.start_at > v_now + interval '3660 days' then
    raise exception 'invalid start_at'
      using errcode = 'PT422', detail = format('start_at: %s', _enroll_contacts.start_at), hint = 'Use an instant within ten years.';
  end if;
  if length(_enroll_contacts.source) > 200 then
    raise exception 'invalid source'
      using errcode = 'PT422', detail = 'source: at most 200 characters', hint = 'Pass a word for where the enrollment comes from, such as "signup-form".';
  end if;
  perform drip_core._sequence_id(v_org, _enroll_contacts.sequence_key);
  select s.*
  into v_sequence
  from drip_core.sequences as s
  where s.organization_id = v_org and s.key = _enroll_contacts.sequence_key
  for key share;
  select sv.* into v_version
  from drip_core.sequence_versions as sv
  where sv.organization_id = v_org and sv.sequence_id = v_sequence.id and sv.version = v_sequence.current_version;
  select st.* into v_step
  from drip_core.steps as st
  where st.organization_id = v_org and st.sequence_id = v_sequence.id and st.version = v_version.version and st.step_no = 1;
  select o.* into v_organization from drip_core.organizations as o where o.id = v_org;
  v_fixed_values := drip_core._fixed_values(v_version.field_paths, v_organization);
  select w.* into v_window
  from drip_core._sending_windows(v_org, v_step.channel) as w
  where w.sequence_id = v_sequence.id and w.version = v_version.version;
  v_template_missing := exists (
    select from drip_core.steps as st
    where st.organization_id = v_org and st.sequence_id = v_sequence.id and st.version = v_version.version and st.template is not null
      and not exists (
        select from drip_core.whatsapp_templates as t
        where t.organization_id = v_org and t.name = st.template ->> 'name' and t.language = st.template ->> 'language' and t.status = 'approved'
      )
  );

  -- distinct contacts in the order given, each with its first deal
  select coalesce(array_agg(g.id order by g.ordinal), '{}'), coalesce(array_agg(g.deal_id order by g.ordinal), '{}')
  into v_given, v_deals
  from (
    select distinct on (i.id) i.id, i.deal_id, i.ordinal
    from unnest(_enroll_contacts.contact_ids, _enroll_contacts.deal_ids) with ordinality as i (id, deal_id, ordinal)
    where i.id is not null
    order by i.id, i.ordinal
  ) as g;

  -- one verdict per contact
  select
    coalesce(array_agg(x.outcome order by x.ordinal), '{}'),
    coalesce(array_agg(x.open_id order by x.ordinal), '{}'),
    coalesce(array_agg(x.entry_no order by x.ordinal), '{}')
  into v_outcomes, v_existing, v_entry_nos
  from (
    select
      i.ordinal,
      last.open_id,
      coalesce(last.entry_no, 0) + 1 as entry_no,
      case
        when c.id is null or c.erased_at is not null then 'contact_not_found'
        when last.open_id is not null then 'already_active'
        when v_sequence.status <> 'active' then 'sequence_not_active'
        when blocked.is_bounced then 'bounced'
        when blocked.is_opted_out then 'opted_out'
        when blocked.is_suppressed then 'suppressed'
        when last.entry_no is not null and v_version.reentry = 'never' then 'already_finished'
        when last.entry_no is not null and v_version.reentry = 'after' and last.ended_at + v_version.reentry_after > v_now then 'cooling_down'
        when not ((c.email is not null and 'email' = any (v_version.channels))
          or (c.phone is not null and v_version.channels && array['whatsapp_cloud', 'whatsapp_lite']::drip.channel[])) then 'no_address'
        when v_template_missing then 'template_unavailable'
        when array_position(array(
          select f.value
          from unnest(
            v_version.field_channels,
            drip_core._merge_values(
              v_version.field_paths, array_fill(null::text, array[cardinality(v_version.field_paths)]), v_fixed_values, ck.contact, dk.deal,
              null, null, null, null)
          ) as f (channel, value)
          where case f.channel when 'email' then c.email else c.phone end is not null
        ), null) is not null then 'missing_field'
        else 'enrolled'
      end::drip.enroll_outcome as outcome
    from unnest(v_given, v_deals) with ordinality as i (id, deal_id, ordinal)
    -- offset 0: looked up by key, or a plan made before an import is analysed compares each contact with each
    left join lateral (
      select k as contact from drip_core.contacts as k where k.organization_id = v_org and k.id = i.id offset 0
    ) as ck on true
    left join lateral (
      select k as deal from drip_core.deals as k where k.organization_id = v_org and k.id = i.deal_id offset 0
    ) as dk on true
    cross join lateral (
      select (ck.contact).id, (ck.contact).erased_at, (ck.contact).email, (ck.contact).phone, (ck.contact).email_hash, (ck.contact).phone_hash
    ) as c
    left join lateral (
      select
        max(e.entry_no) as entry_no,
        max(e.status_changed_at) as ended_at,
        max(e.id) filter (where e.status in ('active', 'paused')) as open_id
      from drip_core.enrollments as e
      where e.organization_id = v_org and e.contact_id = c.id and e.sequence_id = v_sequence.id
    ) as last on true
    left join lateral (
      select
        bool_or(sp.reason in ('bounced', 'invalid_address')) as is_bounced,
        bool_or(sp.reason in ('opted_out', 'unsubscribed', 'complained')
          or consent.state = 'opted_out' or (v_organization.require_opt_in and consent.state is null)) as is_opted_out,
        bool_or(sp.reason is not null) as is_suppressed
      from unnest(v_version.channels) as ch (channel)
      cross join lateral (select drip_core._consent_of(v_org, c.id, ch.channel) as state) as consent
      left join drip_core.suppressions as sp
        on sp.organization_id = v_org and sp.channel = ch.channel
        and sp.address_hash = case ch.channel when 'email' then c.email_hash else c.phone_hash end
        and (sp.scope = 'all' or sp.sequence_id = v_sequence.id) and sp.lifted_at is null
    ) as blocked on true
  ) as x;

  with senders as materialized (
    select n.channel_no, n.account_ids, n.upper_ends
    from drip_core._sender_candidates(v_org, v_sequence.id, v_version.version) as n
  ),

  zoned as materialized (
    select i.id, i.deal_id, i.entry_no, coalesce(v_window.timezone, (
      select drip_core._known_timezone(c.timezone) from drip_core.contacts as c where c.organization_id = v_org and c.id = i.id
    ), v_organization.timezone) as timezone
    from unnest(v_given, v_deals, v_entry_nos, v_outcomes) as i (id, deal_id, entry_no, outcome)
    where i.outcome = 'enrolled'
  ),

  -- one calculation for all contacts of a time zone
  planned as materialized (
    select z.timezone, drip_core._plan_step(
      v_start, v_step.delay_elapsed, v_step.delay_days, v_step.delay_business_days, v_step.delay_at, z.timezone,
      v_window.weekdays, v_window.starts, v_window.ends, v_window.holidays) as due_at
    from (select distinct x.timezone from zoned as x) as z
  ),

  chosen as (
    select z.id, z.deal_id, z.entry_no, p.due_at, array(
      select drip_core._choose_sender(z.id, v_sequence.id, z.entry_no, n.channel_no, n.account_ids, n.upper_ends)
      from senders as n
      order by n.channel_no
    ) as sender_ids
    from zoned as z
    join planned as p on p.timezone = z.timezone
  ),

  inserted as (
    insert into drip_core.enrollments (
      organization_id, sequence_id, version, contact_id, deal_id, entry_no, status_changed_at, step_id, channel_account_id, sender_ids,
      next_step_at, planned_from, is_after_delay, source, enrolled_by, enrolled_at
    )
    select
      v_org, v_sequence.id, v_version.version, k.id, k.deal_id, k.entry_no, v_now, v_step.id, k.sender_ids[v_step.channel_no], k.sender_ids,
      k.due_at, v_start, true, coalesce(_enroll_contacts.source, 'api'), v_profile, v_now
    from chosen as k
    where cardinality(k.sender_ids) = cardinality(v_version.channels)
    order by k.id
    on conflict do nothing
    returning contact_id, id, sender_ids, next_step_at
  ),

  queued as (
    insert into drip_core.queues (organization_id, channel_account_id, sequence_id, is_open)
    select distinct v_org, l.id, v_sequence.id, true
    from inserted as n
    cross join lateral unnest(n.sender_ids) as l (id)
    order by 2
    on conflict do nothing
    returning channel_account_id
  ),

  woken as (
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select v_org, n.sender_ids[v_step.channel_no], v_sequence.id, min(n.next_step_at)
    from inserted as n
    group by 2
    returning id
  )

  select coalesce(array_agg(n.contact_id), '{}'), coalesce(array_agg(n.id), '{}')
  into v_inserted_contacts, v_inserted
  from inserted as n;

  return query
  select
    i.id,
    coalesce(n.id, case when i.outcome = 'enrolled' then open.id else i.existing_id end),
    case
      when i.outcome = 'enrolled' and n.id is null and open.id is not null then 'already_active'
      when i.outcome = 'enrolled' and n.id is null then 'already_finished'
      else i.outcome
    end
  from unnest(v_given, v_outcomes, v_existing) with ordinality as i (id, outcome, existing_id, ordinal)
  left join unnest(v_inserted_contacts, v_inserted) as n (contact_id, id) on n.contact_id = i.id
  left join lateral (
    -- a rival enrolled it between our look and our insert
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.contact_id = i.id and e.sequence_id = v_sequence.id and e.status in ('active', 'paused')
    offset 0
  ) as open on n.id is null and i.outcome = 'enrolled'
  order by i.ordinal;
end;
$$;

revoke all on function drip_core._enroll_contacts(bigint, text, bigint[], bigint[], timestamptz, text)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._enroll_contacts(bigint, text, bigint[], bigint[], timestamptz, text) is
'Enrolls contacts in a sequence: one typed outcome per distinct contact.';
