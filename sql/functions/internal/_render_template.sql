-- A WhatsApp template with its values: the parameters by key, each on one line without runs of spaces, as the API demands, and
-- the components as it takes them. Versions that were published before components were compiled have a body only.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._render_template(template jsonb, arguments text[])
returns jsonb
language sql
immutable
parallel safe
begin atomic
  select (_render_template.template - 'components') || jsonb_build_object('parameters', v.by_key, 'components', coalesce(
    (
      select
        jsonb_agg((c.value - 'parameters') || jsonb_build_object('parameters', (
          select
            jsonb_agg((p.value - 'key') || case p.value ->> 'type'
              when 'text' then jsonb_build_object('text', v.by_key ->> (p.value ->> 'key'))
              when 'payload' then jsonb_build_object('payload', v.by_key ->> (p.value ->> 'key'))
              when 'coupon_code' then jsonb_build_object('coupon_code', v.by_key ->> (p.value ->> 'key'))
              else
                jsonb_build_object(p.value ->> 'type', jsonb_strip_nulls(jsonb_build_object(
                  'link', v.by_key ->> (p.value ->> 'key'), 'filename', v.by_key ->> 'header.filename'
                )))
            end order by p.ordinal)
          from jsonb_array_elements(c.value -> 'parameters') with ordinality as p (value, ordinal)
        )) order by c.ordinal)
      from jsonb_array_elements(_render_template.template -> 'components') with ordinality as c (value, ordinal)
    ),
    case
      when not _render_template.template ? 'components' and v.by_key <> '{}'
        then (
          select
            jsonb_build_array(jsonb_build_object('type', 'body', 'parameters', jsonb_agg(
              jsonb_build_object('type', 'text', 'text', e.value)
              || case when e.key ~ '^[0-9]{1,9}$' then '{}' else jsonb_build_object('parameter_name', e.key) end
              order by case when e.key ~ '^[0-9]{1,9}$' then e.key::int end, e.key
            )))
          from jsonb_each_text(v.by_key) as e
        )
      else '[]'
    end
  ))
  from (
    select
      coalesce(jsonb_object_agg(
        f.key, btrim(regexp_replace(format(f.value, variadic _render_template.arguments), '[\s\u0085\u00a0\u2028\u2029]+', ' ', 'g'))
      ), '{}') as by_key
    from jsonb_each_text(_render_template.template -> 'parameters') as f
  ) as v;
end;

revoke all on function drip_core._render_template(jsonb, text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._render_template(jsonb, text[]) is 'A WhatsApp template with its values: parameters by key, and components as the Cloud API takes them.';
