-- owner: drip_engine
-- requires: functions/internal/_require_permission.sql, functions/internal/_require_enrollment.sql, functions/internal/_render_message.sql, functions/internal/_make_token.sql
-- A message as it was sent, rendered again from its version and merge values. Of one whose values were purged
-- (drip.apply_retention) what is left: purged is true, addresses, subject, bodies, template and headers are null.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.get_message(organization_id bigint, enrollment_id bigint, step_key text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_found record;
  v_rendered drip_core.rendered_message;
begin
  perform drip_core._require_permission(get_message.organization_id, 'get_message');
  perform drip_core._require_enrollment(get_message.organization_id, get_message.enrollment_id);
  select
    m as message, s as step, a.key as channel_account_key, k.id as key_id, k.inner_pad, k.outer_pad, not (m.merge_values ? 'to') as is_purged
  into v_found
  from drip_core.messages as m
  join drip_core.steps as s on s.organization_id = m.organization_id and s.id = m.step_id
  join drip_core.channel_accounts as a on a.organization_id = m.organization_id and a.id = m.channel_account_id
  left join drip_core.secret_keys as k on k.id = (m.merge_values ->> 'key')::smallint
  where m.organization_id = get_message.organization_id and m.enrollment_id = get_message.enrollment_id
    and s.key = get_message.step_key;
  if not found then
    raise exception 'message not found'
      using errcode = 'PT404',
        detail = format('enrollment_id: %s, step_key: %s', get_message.enrollment_id, coalesce(left(get_message.step_key, 100), 'null')),
        hint = 'A message exists once it was sent or given up; drip.enrollment_history shows what happened.';
  end if;
  if not v_found.is_purged then
    v_rendered := drip_core._render_message(
      v_found.step, (v_found.message).enrollment_id, (v_found.message).merge_values, v_found.inner_pad, v_found.outer_pad);
  elsif v_found.key_id is not null then
    v_rendered.message_token := drip_core._make_token(
      v_found.key_id, v_found.inner_pad, v_found.outer_pad, 'message', get_message.organization_id, get_message.enrollment_id, (v_found.step).id);
    v_rendered.link_token := drip_core._make_token(
      v_found.key_id, v_found.inner_pad, v_found.outer_pad, 'link', get_message.organization_id, get_message.enrollment_id, (v_found.step).id);
  end if;
  return jsonb_build_object(
    'enrollment_id', (v_found.message).enrollment_id,
    'step_key', (v_found.step).key,
    'version', (v_found.step).version,
    'channel', (v_found.message).channel,
    'channel_account_key', v_found.channel_account_key,
    'status', (v_found.message).status,
    'reason', (v_found.message).reason,
    'attempts', (v_found.message).attempts,
    'settled_at', (v_found.message).settled_at,
    'provider_message_id', (v_found.message).provider_message_id,
    'error_code', (v_found.message).error_code,
    'error_message', (v_found.message).error_message
  ) || coalesce(to_jsonb(v_rendered), '{}') || case when v_found.is_purged then '{"purged": true}' else '{}' end::jsonb;
end;
$$;

revoke all on function drip.get_message(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.get_message(bigint, bigint, text) to drip_app;
comment on function drip.get_message(bigint, bigint, text) is
'A message as it was sent: addresses, subject, bodies or template, headers, and how it ended; where its values were purged, purged is true and those are null. Errors: PT403, PT404.';
