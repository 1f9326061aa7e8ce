-- owner: drip_engine
-- requires: functions/internal/_message_id.sql, functions/internal/_format_arguments.sql, functions/internal/_merge_values.sql, functions/internal/_consent_of.sql, functions/internal/_make_token.sql, functions/internal/_current_key.sql
-- Judges due messages at the moment of the claim: the reason why one must not go out, else its merge values.
-- Reads only; the caller holds the enrollments. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_messages(organization_id bigint, enrollment_ids bigint[])
returns table (enrollment_id bigint, channel_account_id bigint, step_id bigint, reason drip.reason, merge_values jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _check_messages.organization_id;
  v_key record;
begin
  select k.key_id, k.inner_pad, k.outer_pad into v_key from drip_core._current_key('link') as k;
  return query
  select
    e.id,
    e.channel_account_id,
    e.step_id,
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
      when array_position(merged.field_values, null) is not null then 'missing_field'
    end,
    jsonb_build_object(
      'to', address.value,
      'to_name', nullif(concat_ws(' ', c.first_name, c.last_name), ''),
      'from', a.address,
      'from_name', a.display_name,
      'base', o.public_base_url,
      'key', v_key.key_id,
      'values', to_jsonb(merged.field_values)
    ) || coalesce(thread.part, '{}')
  from unnest(_check_messages.enrollment_ids) as i (id)
  join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
  join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
  join drip_core.contacts as c on c.organization_id = v_org and c.id = e.contact_id
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = e.channel_account_id
  join drip_core.organizations as o on o.id = v_org
  left join drip_core.deals as d on d.organization_id = v_org and d.id = e.deal_id
  cross join lateral (
    select
      case s.channel when 'email' then c.email else c.phone end as value,
      case s.channel when 'email' then c.email_hash else c.phone_hash end as hash
  ) as address
  cross join lateral (select drip_core._consent_of(v_org, c.id, s.channel) as state) as consent
  left join lateral (
    select case when r.effect = 'ends_enrollment' then sp.reason else 'suppressed' end as reason
    from drip_core.suppressions as sp
    join drip_core.reasons as r on r.reason = sp.reason
    where sp.organization_id = v_org and sp.channel = s.channel and sp.address_hash = address.hash
      and (sp.scope = 'all' or sp.sequence_id = e.sequence_id) and sp.lifted_at is null
    order by sp.id
    limit 1
  ) as suppression on true
  cross join lateral (
    select drip_core._merge_values(
      s.field_paths, s.field_defaults, c, d, a, o,
      case when 'unsubscribe_url' = any (s.field_paths) then o.public_base_url || '/u/' || drip_core._make_token(
        v_key.key_id, v_key.inner_pad, v_key.outer_pad, 'link', v_org, e.id, s.id) end
    ) as field_values
  ) as merged
  left join lateral (
    -- the messages that this step answers, oldest first
    select jsonb_build_object('thread', jsonb_build_object(
      'ids', jsonb_agg(drip_core._message_id(m, k) order by ms.step_no),
      'subject', min('Re: ' || btrim(format(ms.subject_format, variadic drip_core._format_arguments(
        array(select v.value from jsonb_array_elements_text(m.merge_values -> 'values') as v (value)))))) filter (where ms.id = s.thread_root_id)
    )) as part
    from drip_core.messages as m
    join drip_core.steps as ms on ms.organization_id = v_org and ms.id = m.step_id
    join drip_core.secret_keys as k on k.id = (m.merge_values ->> 'key')::smallint
    where m.organization_id = v_org and m.enrollment_id = e.id and m.status = 'sent'
      and s.thread_root_id in (ms.id, ms.thread_root_id)
    having count(*) > 0
  ) as thread on s.thread_root_id is not null;
end;
$$;

revoke all on function drip_core._check_messages(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_messages(bigint, bigint[]) is
'For due messages: the reason why one must not go out (null: it may) and its merge values.';
