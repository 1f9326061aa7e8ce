-- owner: drip_engine
-- requires: functions/internal/_render_messages.sql
-- One message in its final form; see _render_messages. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._render_message(
  step drip_core.steps, enrollment_id bigint, merge_values jsonb, inner_pad bytea, outer_pad bytea
)
returns drip_core.rendered_message
language sql
stable
parallel safe
begin atomic
  select
    row(
      r.message_token, r.link_token, r.to_address, r.to_name, r.from_address, r.from_name, r.subject, r.text_body, r.html_body,
      r.template, r.headers
    )::drip_core.rendered_message
  from drip_core._render_messages(
      (_render_message.step).organization_id, array[_render_message.enrollment_id], array[(_render_message.step).id],
      array[_render_message.merge_values], _render_message.inner_pad, _render_message.outer_pad
    ) as r;
end;

revoke all on function drip_core._render_message(drip_core.steps, bigint, jsonb, bytea, bytea)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._render_message(drip_core.steps, bigint, jsonb, bytea, bytea) is
'A message in its final form, from its step and merge values.';
