-- owner: drip_engine
-- requires: functions/internal/_known_timezone.sql, functions/internal/_message_id.sql, functions/internal/_format_arguments.sql, functions/internal/_join_values.sql, functions/internal/_merge_values.sql, functions/internal/_make_token.sql, functions/internal/_current_key.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql
-- Judges due messages at the moment of the claim: the reason why one must not go out, with the instant until which it waits
-- where its window is closed; else its merge values.
-- Reads only; the caller holds the enrollments. Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._check_messages(bigint, bigint[]);
create or replace function drip_core._check_messages(organization_id bigint, enrollment_ids bigint[])
returns table (
  enrollment_id bigint, channel_account_id bigint, step_id bigint, attempt smallint, reason drip.reason, wait_until timestamptz,
  merge_values jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _check_messages.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_key record;
begin
  select k.key_id, k.inner_pad, k.outer_pad into v_key from drip_core._current_key('link') as k;
  return query
  select
    m.enrollment_id, m.channel_account_id, m.step_id, m.attempt,
    case
      when m.reason is not null then m.reason
      when array_position(m.field_values, null) is not null then 'missing_field'
      when m.open_at > v_now then 'window_closed'
    end,
    m.open_at,
    case when m.thread is null then m.merge_values else m.merge_values || m.thread end
  from (
    -- offset 0: what is computed once here is not computed again at each mention above
    select
      e.id as enrollment_id,
      e.channel_account_id,
      e.step_id,
      e.attempt,
      case
        when c.erased_at is not null then 'erased'::drip.reason
        when consent.state = 'opted_out' then 'opted_out'
        when suppression.reason is not null then suppression.reason
        when o.require_opt_in and consent.state is distinct from 'opted_in' then 'opted_out'
        when address.value is null then 'no_address'
        when s.template is not null and not exists (
          select from drip_core.whatsapp_templates as t
          where t.organization_id = v_org and t.name = s.template ->> 'name' and t.language = s.template ->> 'language' and t.status = 'approved'
        ) then 'template_unavailable'
      end as reason,
      merged.field_values,
      case when cardinality(w.weekdays) > 0 then drip_core._sendable_from(
        v_now, coalesce(w.timezone, drip_core._known_timezone(c.timezone), o.timezone), w.weekdays, w.starts, w.ends, w.holidays) end as open_at,
      jsonb_object(array[
        'to', address.value,
        'to_name', case
          when c.first_name is null then nullif(c.last_name, '')
          when c.last_name is null then nullif(c.first_name, '')
          else c.first_name || ' ' || c.last_name
        end,
        'from', a.address,
        'from_name', a.display_name,
        'base', o.public_base_url,
        'key', v_key.key_id::text,
        'fields', drip_core._join_values(merged.field_values)
      ]) as merge_values,
      case when s.thread_root_id is not null then (
        -- the messages that this step answers, oldest first: those of the thread whose root has the key of this one's, so
        -- that a thread goes on in another version
        select jsonb_build_object('thread', jsonb_build_object(
          'ids', jsonb_agg(drip_core._message_id(m, k) order by m.settled_at, ms.step_no),
          'subject', min('Re: ' || btrim(format(ms.subject_format, variadic drip_core._format_arguments(
            coalesce(m.merge_values ->> 'fields', drip_core._join_values(array(
              select translate(v.value, e'\x1f', '')
              from jsonb_array_elements_text(m.merge_values -> 'values') with ordinality as v (value, ordinal)
              order by v.ordinal
            )))) || array['', '']))) filter (where ms.thread_root_id is null)
        ))
        from drip_core.steps as sr
        join drip_core.messages as m
          on m.organization_id = v_org and m.enrollment_id = e.id and m.status = 'sent' and m.channel = s.channel
        join drip_core.steps as ms on ms.organization_id = v_org and ms.id = m.step_id
        join drip_core.steps as mr on mr.organization_id = v_org and mr.id = coalesce(ms.thread_root_id, ms.id) and mr.key = sr.key
        join drip_core.secret_keys as k on k.id = (m.merge_values ->> 'key')::smallint
        where sr.organization_id = v_org and sr.id = s.thread_root_id
        having count(*) > 0
      ) end as thread
    from unnest(_check_messages.enrollment_ids) as i (id)
    join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
    join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
    join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = e.channel_account_id
    join drip_core.organizations as o on o.id = v_org
    join drip_core._sending_windows(v_org) as w on w.sequence_id = s.sequence_id and w.version = s.version
    left join drip_core.deals as d on d.organization_id = v_org and d.id = e.deal_id
    cross join lateral (
      select
        case s.channel when 'email' then c.email else c.phone end as value,
        case s.channel when 'email' then c.email_hash else c.phone_hash end as hash
    ) as address
    left join lateral (
      -- as _consent_of, which is a call per message
      select l.state
      from drip_core.consent_ledger as l
      where l.organization_id = v_org and l.contact_id = c.id and l.channel = s.channel and l.is_effective
      -- "+ 0": or a plan made while the table was small goes backwards through all of it
      order by l.id + 0 desc
      limit 1
    ) as consent on true
    left join lateral (
      select case when r.effect = 'ends_enrollment' then sp.reason else 'suppressed' end as reason
      from drip_core.suppressions as sp
      join drip_core.reasons as r on r.reason = sp.reason
      where sp.organization_id = v_org and sp.channel = s.channel and sp.address_hash = address.hash
        and (sp.scope = 'all' or sp.sequence_id = e.sequence_id) and sp.lifted_at is null
      order by sp.id + 0
      limit 1
    ) as suppression on true
    cross join lateral (
      select drip_core._merge_values(
        s.field_paths, s.field_defaults, c, d, a, o,
        case when 'unsubscribe_url' = any (s.field_paths) then o.public_base_url || '/u/' || drip_core._make_token(
          v_key.key_id, v_key.inner_pad, v_key.outer_pad, 'link', v_org, e.id, s.id) end
      ) as field_values
      offset 0
    ) as merged
    offset 0
  ) as m;
end;
$$;

revoke all on function drip_core._check_messages(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_messages(bigint, bigint[]) is
'For due messages: the reason why one must not go out (null: it may), until when a closed window makes it wait, and its merge values.';
