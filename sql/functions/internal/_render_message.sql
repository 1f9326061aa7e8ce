-- requires: functions/internal/_make_token.sql, functions/internal/_format_arguments.sql
-- Renders a message from its step and merge values: the one place where a message gets its final form, used by the
-- claim and by every later look at the message.
-- Merge values: to, to_name, from, from_name, base (public_base_url), key (id of the link key), values[], and for a step
-- that answers in a thread: thread.subject and thread.ids[] (Message-IDs, oldest first).
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._render_message(
  step drip_core.steps, enrollment_id bigint, merge_values jsonb, inner_pad bytea, outer_pad bytea
)
returns drip_core.rendered_message
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_step constant drip_core.steps := _render_message.step;
  v_merge constant jsonb := _render_message.merge_values;
  v_key constant smallint := (v_merge ->> 'key')::smallint;
  v_arguments constant text[] := drip_core._format_arguments(array(select v.value from jsonb_array_elements_text(v_merge -> 'values') as v (value)));
  v_breaks constant text := '[\r\n\t\v\f\u0085\u2028\u2029]+';
  v_message drip_core.rendered_message;
  v_ids jsonb := v_merge -> 'thread' -> 'ids';
begin
  v_message.message_token := drip_core._make_token(
    v_key, _render_message.inner_pad, _render_message.outer_pad, 'message', v_step.organization_id, _render_message.enrollment_id, v_step.id);
  v_message.link_token := drip_core._make_token(
    v_key, _render_message.inner_pad, _render_message.outer_pad, 'link', v_step.organization_id, _render_message.enrollment_id, v_step.id);
  v_message.to_address := v_merge ->> 'to';
  -- names and the subject become headers
  v_message.to_name := regexp_replace(v_merge ->> 'to_name', v_breaks, ' ', 'g');
  v_message.from_address := v_merge ->> 'from';
  v_message.from_name := regexp_replace(v_merge ->> 'from_name', v_breaks, ' ', 'g');
  v_message.subject := btrim(regexp_replace(
    coalesce(v_merge -> 'thread' ->> 'subject', format(v_step.subject_format, variadic v_arguments)), v_breaks, ' ', 'g'));
  v_message.text_body := format(v_step.text_format, variadic v_arguments);
  v_message.html_body := format(v_step.html_format, variadic v_arguments);
  if v_step.template is not null then
    v_message.template := v_step.template || jsonb_build_object('parameters', (
      select coalesce(jsonb_object_agg(p.key, format(p.value, variadic v_arguments)), '{}')
      from jsonb_each_text(v_step.template -> 'parameters') as p
    ));
  end if;
  v_message.headers := case when v_step.channel = 'email' then jsonb_build_object(
    'Message-ID', '<' || v_message.message_token || '@' || split_part(v_message.from_address, '@', 2) || '>',
    'List-Unsubscribe', '<' || (v_merge ->> 'base') || '/u/' || v_message.link_token || '>',
    'List-Unsubscribe-Post', 'List-Unsubscribe=One-Click',
    'X-Auto-Response-Suppress', 'OOF, AutoReply'
  ) || case when jsonb_array_length(v_ids) > 0 then jsonb_build_object(
    'In-Reply-To', v_ids ->> -1,
    'References', (select string_agg(i.id, ' ' order by i.ordinal) from jsonb_array_elements_text(v_ids) with ordinality as i (id, ordinal))
  ) else '{}' end else '{}' end;
  return v_message;
end;
$$;

revoke all on function drip_core._render_message(drip_core.steps, bigint, jsonb, bytea, bytea)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._render_message(drip_core.steps, bigint, jsonb, bytea, bytea) is
'A message in its final form, from its step and merge values.';
