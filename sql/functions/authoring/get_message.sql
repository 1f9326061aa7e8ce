-- owner: drip_engine
-- requires: functions/internal/_require_organization.sql, functions/internal/_require_enrollment.sql, functions/internal/_render_message.sql
-- A message as it was sent, rendered again from its version and merge values. Locks: none. Errors: PT404. Harmless to repeat.
create or replace function drip.get_message(organization_id bigint, enrollment_id bigint, step_key text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_message jsonb;
begin
  perform drip_core._require_organization(get_message.organization_id);
  perform drip_core._require_enrollment(get_message.organization_id, get_message.enrollment_id);
  select jsonb_build_object(
    'enrollment_id', (d.message).enrollment_id,
    'step_key', (d.step).key,
    'version', (d.step).version,
    'channel', (d.message).channel,
    'channel_account_key', d.channel_account_key,
    'status', (d.message).status,
    'reason', (d.message).reason,
    'attempts', (d.message).attempts,
    'settled_at', (d.message).settled_at,
    'provider_message_id', (d.message).provider_message_id,
    'error_code', (d.message).error_code,
    'error_message', (d.message).error_message
  ) || to_jsonb(r)
  into v_message
  from (
    -- offset 0: joined first, or a plan may render other steps with this message
    select m as message, s as step, a.key as channel_account_key, k.inner_pad, k.outer_pad
    from drip_core.messages as m
    join drip_core.steps as s on s.organization_id = m.organization_id and s.id = m.step_id
    join drip_core.channel_accounts as a on a.organization_id = m.organization_id and a.id = m.channel_account_id
    join drip_core.secret_keys as k on k.id = (m.merge_values ->> 'key')::smallint
    where m.organization_id = get_message.organization_id and m.enrollment_id = get_message.enrollment_id
      and s.key = get_message.step_key
    offset 0
  ) as d
  cross join lateral drip_core._render_message(
    d.step, (d.message).enrollment_id, (d.message).merge_values, d.inner_pad, d.outer_pad) as r;
  if v_message is null then
    raise exception 'message not found'
      using errcode = 'PT404',
        detail = format('enrollment_id: %s, step_key: %s', get_message.enrollment_id, coalesce(get_message.step_key, 'null')),
        hint = 'A message exists once it was sent or given up; drip.enrollment_history shows what happened.';
  end if;
  return v_message;
end;
$$;

revoke all on function drip.get_message(bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.get_message(bigint, bigint, text) to drip_app;
comment on function drip.get_message(bigint, bigint, text) is
'A message as it was sent: addresses, subject, bodies or template, headers, and how it ended. Errors: PT404.';
