-- owner: drip_engine
-- requires: functions/internal/_require_permission.sql, functions/internal/_find_step.sql, functions/internal/_imagine_enrollment.sql, functions/internal/_missing_fields.sql, functions/internal/_check_messages.sql, functions/internal/_require_message_size.sql, functions/internal/_render_messages.sql, functions/internal/_current_key.sql
-- The message of a step as a contact would get it now: judged and rendered by the code of the claim. Where the contact is being
-- written to, in the version, by the sender, with the deal and in the thread of its enrollment; else as a new entry.
-- Writes nothing and sends nothing. Tokens in its links and headers name nobody: what is opened, clicked or unsubscribed
-- in a preview happens to no contact.
-- Keys: sequence_key, version, step_key, contact_id, channel, channel_account_key; would_send; reason (why it would not go out now)
-- with effect (waits, skips_step, ends_enrollment) and wait_until; missing_fields[], in which case the rest is null:
-- to_address, to_name, from_address, from_name, subject, text_body, html_body, template, headers.
-- Locks: none. Errors: PT403, PT404, PT409 (the message is too large to be sent). Harmless to repeat.
create or replace function drip.preview(organization_id bigint, sequence_key text, step_key text, contact_id bigint)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := preview.organization_id;
  v_found record;
  v_key record;
  v_imagined drip_core.enrollments;
  v_missing text[];
  v_judged record;
  v_thread jsonb;
  v_rendered jsonb := '{}'::jsonb;
begin
  perform drip_core._require_permission(v_org, 'preview');
  select f.* into v_found
  from drip_core._find_step(v_org, preview.sequence_key, preview.step_key, preview.contact_id) as f;
  v_imagined := drip_core._imagine_enrollment(
    v_found.step, 0, preview.contact_id, v_found.channel_account_id, v_found.deal_id, v_found.enrolled_at);
  v_missing := drip_core._missing_fields(v_imagined);
  select k.key_id, k.inner_pad, k.outer_pad into v_key from drip_core._current_key('link') as k;
  select m.reason, m.wait_until, m.merge_values, m.size
  into v_judged
  from drip_core._check_imagined(v_org, v_imagined, v_key.key_id, v_key.inner_pad, v_key.outer_pad) as m;
  perform drip_core._require_message_size(preview.contact_id, v_judged.size);
  if cardinality(v_missing) = 0 then
    if (v_found.step).thread_root_id is not null and v_found.enrollment_id is not null then
      -- what it answers belongs to the enrollment there is
      v_imagined.id := v_found.enrollment_id;
      select jsonb_build_object('thread', m.merge_values -> 'thread') into v_thread
      from drip_core._check_imagined(v_org, v_imagined, v_key.key_id, v_key.inner_pad, v_key.outer_pad) as m
      where m.merge_values ? 'thread';
    end if;
    select jsonb_build_object(
      'to_address', r.to_address, 'to_name', r.to_name, 'from_address', r.from_address, 'from_name', r.from_name, 'subject', r.subject,
      'text_body', r.text_body, 'html_body', r.html_body, 'template', r.template, 'headers', r.headers)
    into v_rendered
    from drip_core._render_messages(
      v_org, array[0::bigint], array[(v_found.step).id], array[v_judged.merge_values || coalesce(v_thread, '{}')], v_key.inner_pad, v_key.outer_pad) as r;
  end if;
  return (
    select jsonb_build_object(
      'sequence_key', preview.sequence_key,
      'version', (v_found.step).version,
      'step_key', preview.step_key,
      'contact_id', preview.contact_id,
      'channel', (v_found.step).channel,
      'channel_account_key', a.key,
      'would_send', v_judged.reason is null,
      'reason', v_judged.reason,
      'effect', (select x.effect from drip_core.reasons as x where x.reason = v_judged.reason),
      'wait_until', case when v_judged.reason = 'window_closed' then v_judged.wait_until end,
      'missing_fields', v_missing
    ) || v_rendered
    from drip_core.channel_accounts as a
    where a.organization_id = v_org and a.id = v_found.channel_account_id
  );
end;
$$;

revoke all on function drip.preview(bigint, text, text, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.preview(bigint, text, text, bigint) to drip_app;
comment on function drip.preview(bigint, text, text, bigint) is
'The message of a step as a contact would get it now: addresses, subject, bodies or template, headers; would_send, and else reason with effect. Writes and sends nothing; its links lead to no contact. Errors: PT403, PT404, PT409 (too large).';
