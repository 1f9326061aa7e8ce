-- owner: drip_engine
-- requires: functions/internal/_fixed_values.sql, functions/internal/_message_id.sql, functions/internal/_format_arguments.sql, functions/internal/_join_values.sql, functions/internal/_merge_values.sql, functions/internal/_max_message_size.sql, functions/internal/_message_weights.sql, functions/internal/_message_size.sql, functions/internal/_make_token.sql, functions/internal/_sending_windows.sql, functions/internal/_sendable_from.sql, functions/internal/_normalise_phone.sql, functions/internal/_is_unreachable.sql
-- Judges due messages at the moment of the claim: the reason why one must not go out, with the instant until which it waits
-- where its window is closed, its template is refused or its session is not open; else its merge values. Its size is at least
-- that of subject, text, html and parameters in bytes, known without rendering it; what is too large is refused.
-- step_ids and accounts are those of the enrollments; what their messages share is read once, not for each of them. The key is
-- given by the caller, who renders with it. Reads only; the caller holds the enrollments. Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._check_messages(bigint, bigint[]);
do $$
begin
  -- of before 0.2, without size
  if exists (
    select from pg_catalog.pg_proc as p
    where p.oid = to_regprocedure('drip_core._check_messages(bigint, bigint[], bigint[], drip_core.channel_accounts[], smallint, bytea, bytea)')
      and cardinality(p.proallargtypes) = 14
  ) then
    drop function drip_core._check_messages(bigint, bigint[], bigint[], drip_core.channel_accounts[], smallint, bytea, bytea);
    drop function drip_core._check_imagined(bigint, drip_core.enrollments, smallint, bytea, bytea);
  end if;
end;
$$;
create or replace function drip_core._check_messages(
  organization_id bigint, enrollment_ids bigint[], step_ids bigint[], accounts drip_core.channel_accounts[], key_id smallint, inner_pad bytea, outer_pad bytea
)
returns table (
  enrollment_id bigint, channel_account_id bigint, step_id bigint, attempt smallint, reason drip.reason, wait_until timestamptz,
  merge_values jsonb, size bigint
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
  v_o drip_core.organizations;
  v_steps drip_core.judged_step[];
begin
  select o.* into v_o from drip_core.organizations as o where o.id = v_org;
  select array_agg(row(
      s.id, s.sequence_id, s.version, s.channel, s.thread_root_id,
      s.template is not null, s.template is not null and (t.status is distinct from 'approved' or t.unavailable_until > v_now), t.unavailable_until,
      s.channel = 'whatsapp_cloud' and s.template is null, s.skips_outside_session,
      s.html_tracked_format is not null, s.field_paths, s.field_defaults, drip_core._fixed_values(s.field_paths, v_o),
      'unsubscribe_url' = any (s.field_paths),
      v.on_reply, v.exits_on_deal_created, v.exit_deal_stages, v.goal_deal_stages, w.timezone, w.weekdays, w.starts, w.ends, w.holidays,
      drip_core._message_weights(
        concat(
          s.subject_format, s.text_format, case when v_o.tracking then coalesce(s.html_tracked_format, s.html_format) else s.html_format end,
          -- parameters go out twice: by their keys, and in the components
          case when s.template is not null then (select concat(string_agg(p.value || p.value, ''), s.template - 'parameters') from jsonb_each_text(s.template -> 'parameters') as p) end
        ),
        -- a link is base, path and token, escaped at most
        cardinality(s.field_paths), 6 * coalesce(octet_length(v_o.public_base_url), 0) + 100)
    )::drip_core.judged_step)
  into v_steps
  from drip_core.steps as s
  join drip_core.sequence_versions as v on v.organization_id = v_org and v.sequence_id = s.sequence_id and v.version = s.version
  join drip_core._sending_windows(v_org, s.channel) as w on w.sequence_id = s.sequence_id and w.version = s.version
  left join drip_core.whatsapp_templates as t
    on t.organization_id = v_org and t.name = s.template ->> 'name' and t.language = s.template ->> 'language'
  where s.organization_id = v_org and s.id = any (_check_messages.step_ids);
  return query
  select
    m.enrollment_id, m.channel_account_id, m.step_id, m.attempt,
    case
      when m.reason is not null then m.reason
      when m.size > drip_core._max_message_size() then 'rejected_content'
      when array_position(m.field_values, null) is not null then 'missing_field'
      -- of white space alone: a parameter of a template is never empty
      when m.is_templated and exists (select from unnest(m.field_values) as f (value) where f.value <> '' and f.value !~ '[^\s\u00a0\u2028\u2029]') then 'missing_field'
      when m.open_at > v_now then 'window_closed'
    end,
    case m.reason
      when 'session_closed' then greatest(m.open_at, v_now + interval '1 hour')
      when 'template_unavailable' then greatest(m.open_at, m.template_until)
      else m.open_at
    end,
    case when m.thread is null and m.extras is null then m.merge_values else m.merge_values || coalesce(m.thread, '{}') || coalesce(m.extras, '{}') end,
    m.size + coalesce(octet_length(m.thread -> 'thread' ->> 'subject'), 0)
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
        when v_o.require_opt_in and consent.state is distinct from 'opted_in' then 'opted_out'
        when address.value is null then 'no_address'
        -- exits whose reaction failed, or raced with the enrollment: written down, or read from the deals
        when failed.reason is not null then failed.reason
        when deal_exit.reason is not null then deal_exit.reason
        when s.is_template_missing then 'template_unavailable'
        -- a free text: only to who wrote to this number within a day
        when s.needs_session and not exists (
          select from drip_core.inbound_messages as i
          where i.organization_id = v_org and i.from_hash = address.hash and i.channel = 'whatsapp_cloud'
            and i.received_at > v_now - interval '24 hours'
            and not exists (
              select from drip_core.channel_accounts as other
              where other.organization_id = v_org and other.channel = 'whatsapp_cloud' and other.id <> a.id
                and drip_core._normalise_phone(other.address) = drip_core._normalise_phone(i.to_address)
            )
        ) then case when s.skips_outside_session then 'session_missed' else 'session_closed' end::drip.reason
        when s.channel = 'whatsapp_lite' and drip_core._is_unreachable(v_org, c.id, s.channel, address.hash) then 'not_on_whatsapp'
      end as reason,
      merged.field_values,
      -- what is small for certain is not measured
      case
        when octet_length(merged.joined)::bigint * s.weights[2] + s.weights[1] <= 100000 then octet_length(merged.joined)::bigint * s.weights[2] + s.weights[1]
        else drip_core._message_size(s.weights, merged.field_values)
      end as size,
      s.is_templated,
      s.template_until,
      case when cardinality(s.weekdays) > 0 then drip_core._sendable_from(
        v_now, coalesce(s.timezone, zone.name, v_o.timezone), s.weekdays, s.starts, s.ends, s.holidays) end as open_at,
      jsonb_object(array[
        'to', address.value,
        'to_name', case
          when c.first_name is null then nullif(c.last_name, '')
          when c.last_name is null then nullif(c.first_name, '')
          else c.first_name || ' ' || c.last_name
        end,
        'from', a.address,
        'from_name', a.display_name,
        'base', v_o.public_base_url,
        'key', _check_messages.key_id::text,
        'fields', merged.joined
      ]) as merge_values,
      -- what most messages have nothing of
      case when s.channel = 'email' and (v_o.tracking or a.config ? 'unsubscribe_address') then jsonb_strip_nulls(jsonb_build_object(
        'tracked', case when v_o.tracking and s.has_tracked_html then true end,
        'mailto', a.config ->> 'unsubscribe_address')) end as extras,
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
    join unnest(v_steps) as s on s.id = e.step_id
    join unnest(_check_messages.accounts) as a on a.id = e.channel_account_id
    join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
    -- as _known_timezone, which is a call per message
    left join drip_core.timezones as zone on cardinality(s.weekdays) > 0 and s.timezone is null and zone.name = c.timezone
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
    left join lateral (
      -- a fact that has not been reacted to: nearly always none at all
      select f.reason
      from drip_core.reaction_failures as f
      where f.organization_id = v_org and f.contact_id = c.id and f.resolved_at is null
        and case
          when f.reason in ('replied', 'auto_replied') then s.on_reply <> 'continue' and f.channel = s.channel
            and (f.enrollment_id is null or f.enrollment_id = e.id or exists (
              select from drip_core.enrollments as fe
              where fe.organization_id = v_org and fe.id = f.enrollment_id and fe.sequence_id = e.sequence_id
            ))
          when f.reason in ('unsubscribed', 'opted_out', 'complained', 'bounced', 'invalid_address') then (f.channel = 'email') = (s.channel = 'email')
          when f.kind = 'deal' then (e.deal_id is null or e.deal_id = f.fact_id)
            and (f.subject ->> 'stage' = any (s.exit_deal_stages || s.goal_deal_stages) and (f.subject ->> 'is_stage_new')::boolean
              or s.exits_on_deal_created and (f.subject ->> 'is_new')::boolean)
        end
      limit 1
    ) as failed on true
    left join lateral (
      select case
          when k.stage = any (s.goal_deal_stages) then 'goal_reached'
          when k.stage = any (s.exit_deal_stages) then 'deal_stage'
          else 'deal_created'
        end::drip.reason as reason
      from drip_core.deals as k
      where (s.exits_on_deal_created or cardinality(s.exit_deal_stages || s.goal_deal_stages) > 0)
        and k.organization_id = v_org and k.contact_id = c.id and (e.deal_id is null or e.deal_id = k.id)
        and (k.stage = any (s.exit_deal_stages || s.goal_deal_stages) and coalesce(k.stage_changed_at, k.created_at) > e.enrolled_at
          or s.exits_on_deal_created and e.deal_id is null and k.created_at > e.enrolled_at)
      limit 1
    ) as deal_exit on true
    cross join lateral (
      select f.field_values, drip_core._join_values(f.field_values) as joined
      from (
        select drip_core._merge_values(
          s.field_paths, s.field_defaults, s.fixed_values, c, d, a.key, a.address, a.display_name,
          case when s.has_unsubscribe_url then v_o.public_base_url || '/u/' || drip_core._make_token(
            _check_messages.key_id, _check_messages.inner_pad, _check_messages.outer_pad, 'link', v_org, e.id, s.id) end
        ) as field_values
        offset 0
      ) as f
      offset 0
    ) as merged
    offset 0
  ) as m;
end;
$$;

revoke all on function drip_core._check_messages(bigint, bigint[], bigint[], drip_core.channel_accounts[], smallint, bytea, bytea)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_messages(bigint, bigint[], bigint[], drip_core.channel_accounts[], smallint, bytea, bytea) is
'For due messages: the reason why one must not go out (null: it may), until when a closed window makes it wait, and its merge values.';

-- The same judgement of an enrollment that is not stored, as previews and tests have it. Its body is that of the function above
-- with the one row in place of the stored ones, its step and its sender, taken from the catalog: so what is shown is what is
-- sent, by construction, and the claim pays nothing for it.
create or replace function drip_core._check_imagined(
  organization_id bigint, imagined drip_core.enrollments, key_id smallint, inner_pad bytea, outer_pad bytea
)
returns table (
  enrollment_id bigint, channel_account_id bigint, step_id bigint, attempt smallint, reason drip.reason, wait_until timestamptz,
  merge_values jsonb, size bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'replaced below';
end;
$$;

do $do$
declare
  -- how the query reads what its arguments name, and how it reads the one row that is imagined
  v_ways constant text[] := array[
    [E'unnest(_check_messages.enrollment_ids) as i (id)\n    join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id',
      'unnest(array[_check_imagined.imagined]) as e'],
    ['unnest(_check_messages.accounts) as a on a.id', 'drip_core.channel_accounts as a on a.organization_id = v_org and a.id'],
    ['_check_messages.step_ids', 'array[(_check_imagined.imagined).step_id]']
  ];
  v_body text;
begin
  select p.prosrc into v_body
  from pg_catalog.pg_proc as p
  where p.oid = 'drip_core._check_messages(bigint, bigint[], bigint[], drip_core.channel_accounts[], smallint, bytea, bytea)'::regprocedure;
  for v_i in 1 .. array_length(v_ways, 1) loop
    if (length(v_body) - length(replace(v_body, v_ways[v_i][1], ''))) <> length(v_ways[v_i][1]) then
      raise exception 'the query of _check_messages reads its enrollments in another way'
        using detail = v_ways[v_i][1], hint = 'Name that way here, too: previews and tests put a row of their own in its place.';
    end if;
    v_body := replace(v_body, v_ways[v_i][1], v_ways[v_i][2]);
  end loop;
  v_body := replace(v_body, '_check_messages.', '_check_imagined.');
  execute format(
    'create or replace function drip_core._check_imagined(
      organization_id bigint, imagined drip_core.enrollments, key_id smallint, inner_pad bytea, outer_pad bytea
    )
    returns table (
      enrollment_id bigint, channel_account_id bigint, step_id bigint, attempt smallint, reason drip.reason, wait_until timestamptz,
      merge_values jsonb, size bigint
    )
    language plpgsql stable set search_path = pg_catalog, pg_temp as %L', v_body);
end;
$do$;

revoke all on function drip_core._check_imagined(bigint, drip_core.enrollments, smallint, bytea, bytea)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_imagined(bigint, drip_core.enrollments, smallint, bytea, bytea) is
'As _check_messages, for an enrollment that is not stored.';
