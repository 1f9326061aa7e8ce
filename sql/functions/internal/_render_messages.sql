-- requires: functions/internal/_token_macs.sql, functions/internal/_token_stream.sql, functions/internal/_token_text.sql, functions/internal/_format_arguments.sql, functions/internal/_join_values.sql, functions/internal/_one_line.sql, functions/internal/_escape_html.sql, functions/internal/_render_template.sql
-- Renders messages from their steps and merge values, set by set: the one place where a message gets its final form, used
-- by the claim and by every later look at a message. The arrays belong together element by element; `ordinal` counts them.
-- Merge values: to, to_name, from, from_name, base (public_base_url), key (id of the link key, whose pads are given),
-- fields (see _join_values; messages of 0.1 have an array `values` instead), and for a step that answers in a thread:
-- thread.subject and thread.ids[] (Message-IDs, oldest first); where links are counted: tracked; where there is a mailbox for
-- requests to unsubscribe: mailto.
-- A plain query that the planner merges into the caller's; each `offset 0` keeps what is computed once from being
-- computed at every mention. Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._render_message(drip_core.steps, bigint, jsonb, bytea, bytea);
drop function if exists drip_core._render_messages(bigint, bigint[], bigint[], jsonb[], bytea, bytea);
create or replace function drip_core._render_messages(
  organization_id bigint, enrollment_ids bigint[], step_ids bigint[], merge_values jsonb[], inner_pad bytea, outer_pad bytea
)
returns table (
  ordinal bigint, sequence_key text, step_key text, channel drip.channel, message_token text, link_token text, to_address text, to_name text,
  from_address text, from_name text, subject text, text_body text, html_body text, template jsonb, headers jsonb
)
language sql
stable
parallel safe
begin atomic
  select
    t.ordinal,
    t.sequence_key,
    t.key,
    t.channel,
    t.message_token,
    t.link_token,
    t.to_address,
    drip_core._one_line(t.to_name) as to_name,
    t.from_address,
    drip_core._one_line(t.from_name) as from_name,
    btrim(drip_core._one_line(coalesce(t.thread_subject, format(t.subject_format, variadic t.arguments)))) as subject,
    format(t.text_format, variadic t.arguments) as text_body,
    format(case when t.is_tracked then coalesce(t.html_tracked_format, t.html_format) else t.html_format end, variadic t.arguments) as html_body,
    case when t.template is not null then drip_core._render_template(t.template, t.arguments) end as template,
    case
      when t.channel <> 'email' then '{}'::jsonb
      when t.thread_ids is null then t.headers
      else
        t.headers || jsonb_build_object('In-Reply-To', t.thread_ids ->> -1, 'References', (
          select string_agg(i.id, ' ' order by i.ordinal)
          from jsonb_array_elements_text(t.thread_ids) with ordinality as i (id, ordinal)
        ))
    end as headers
  from (
    select
      k.ordinal,
      k.sequence_key,
      k.key,
      k.channel,
      k.message_token,
      k.link_token,
      k.to_address,
      k.to_name,
      k.from_address,
      k.from_name,
      k.thread_subject,
      k.subject_format,
      k.text_format,
      k.html_format,
      k.template,
      k.html_tracked_format,
      k.is_tracked,
      k.arguments || array[k.base_url || '/u/' || k.link_token, drip_core._escape_html(k.base_url || '/u/' || k.link_token)]
      || case
        when k.is_tracked
          then array[drip_core._escape_html(k.base_url || '/c/' || k.link_token || '/'), drip_core._escape_html(k.base_url || '/o/' || k.link_token || '.gif')]
        else '{}'
      end as arguments,
      k.thread_ids,
      jsonb_object(array[
        'Message-ID', '<' || k.message_token || '@' || split_part(k.from_address, '@', 2) || '>',
        'List-Unsubscribe', '<' || k.base_url || '/u/' || k.link_token || '>'
        || coalesce(', <mailto:' || k.unsubscribe_address || '?subject=unsubscribe%20' || k.link_token || '>', ''),
        'List-Unsubscribe-Post', 'List-Unsubscribe=One-Click',
        'X-Auto-Response-Suppress', 'OOF, AutoReply'
      ]) as headers
    from (
      select
        d.ordinal,
        d.sequence_key,
        d.key,
        d.channel,
        drip_core._token_text(
          d.key_id, substr(d.macs, 1, 16), d.message_stream, _render_messages.organization_id, d.enrollment_id, d.step_id
        ) as message_token,
        drip_core._token_text(
          d.key_id, substr(d.macs, 17, 16), d.link_stream, _render_messages.organization_id, d.enrollment_id, d.step_id
        ) as link_token,
        d.merge_values ->> 'to' as to_address,
        d.merge_values ->> 'to_name' as to_name,
        d.merge_values ->> 'from' as from_address,
        d.merge_values ->> 'from_name' as from_name,
        d.merge_values ->> 'base' as base_url,
        d.merge_values ->> 'mailto' as unsubscribe_address,
        d.merge_values ? 'tracked' as is_tracked,
        d.merge_values -> 'thread' ->> 'subject' as thread_subject,
        d.merge_values -> 'thread' -> 'ids' as thread_ids,
        d.subject_format,
        d.text_format,
        d.html_format,
        d.html_tracked_format,
        d.template,
        drip_core._format_arguments(d.joined) as arguments
      from (
        select
          c.*,
          drip_core._token_stream(_render_messages.inner_pad, _render_messages.outer_pad, substr(c.macs, 1, 16)) as message_stream,
          drip_core._token_stream(_render_messages.inner_pad, _render_messages.outer_pad, substr(c.macs, 17, 16)) as link_stream
        from (
          select
            u.ordinal,
            u.enrollment_id,
            u.merge_values,
            s.sequence_key,
            s.id as step_id,
            s.key,
            s.channel,
            s.subject_format,
            s.text_format,
            s.html_format,
            s.html_tracked_format,
            s.template,
            (u.merge_values ->> 'key')::smallint as key_id,
            drip_core._token_macs(
              _render_messages.inner_pad, _render_messages.outer_pad, _render_messages.organization_id, u.enrollment_id, s.id
            ) as macs,
            coalesce(u.merge_values ->> 'fields', drip_core._join_values(array(
              select translate(v.value, e'\x1f', '')
              from jsonb_array_elements_text(u.merge_values -> 'values') with ordinality as v (value, ordinal)
              order by v.ordinal
            ))) as joined
          from unnest(_render_messages.enrollment_ids, _render_messages.step_ids, _render_messages.merge_values) with ordinality
              as u (enrollment_id, step_id, merge_values, ordinal)
          -- the few steps there are, each read once: "||" takes long texts out of their storage here, not for each message
          inner join (
            select
              p.id,
              p.key,
              p.channel,
              p.template,
              q.key as sequence_key,
              p.subject_format,
              p.text_format || '' as text_format,
              p.html_format || '' as html_format,
              p.html_tracked_format || '' as html_tracked_format
            from drip_core.steps as p
            inner join drip_core.sequences as q on q.organization_id = _render_messages.organization_id and p.sequence_id = q.id
            where p.organization_id = _render_messages.organization_id and p.id = any(_render_messages.step_ids)
            offset 0 -- noqa: AM09
          ) as s on u.step_id = s.id
          offset 0 -- noqa: AM09
        ) as c
        offset 0 -- noqa: AM09
      ) as d
      offset 0 -- noqa: AM09
    ) as k
    offset 0 -- noqa: AM09
  ) as t;
end;

revoke all on function drip_core._render_messages(bigint, bigint[], bigint[], jsonb[], bytea, bytea)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._render_messages(bigint, bigint[], bigint[], jsonb[], bytea, bytea) is
'Messages in their final form, from their steps and merge values.';

-- made one MAC at a time
drop function if exists drip_core._token_mac(bytea, bytea, bytea, bigint, bigint, bigint);
