-- requires: functions/internal/_parse_template.sql
-- Turns a template into a format() string. Arguments of format(): the values, an empty one, the values escaped
-- for html, an empty one, the values without line breaks, an empty one (see _format_arguments); `block` chooses 0, 1 or 2.
-- Where unsubscribe_url is not among the fields, it is what _render_messages puts behind all of these.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._compile_template(template text, field_paths text[], field_defaults text[], block int)
returns text
language sql
immutable
parallel safe
begin atomic
  select
    case when _compile_template.template is not null then coalesce(string_agg(
          case
            when t.field_path is null then replace(t.literal, '%', '%%')
            -- of an email it is made when the message is rendered: it stands behind all values, as it is and escaped
            when t.field_path = 'unsubscribe_url' and f.position is null
              then
                '%' || (
                  -- no fields: no values at all, not even empty ones
                  case cardinality(_compile_template.field_paths) when 0 then 0 else 3 * (cardinality(_compile_template.field_paths) + 1) end
                  + case _compile_template.block when 1 then 2 else 1 end
                )::text || '$s'
            else '%' || (_compile_template.block * (cardinality(_compile_template.field_paths) + 1) + f.position)::text || '$s'
          end, '' order by t.ordinal
        ), '')
    end
  from drip_core._parse_template(_compile_template.template) with ordinality
      as t (literal, field_path, field_default, problem, ordinal)
  left join lateral (
    select min(u.position) as position
    from unnest(_compile_template.field_paths, _compile_template.field_defaults) with ordinality as u (path, fallback, position)
    where u.path = t.field_path and u.fallback is not distinct from t.field_default
  ) as f on t.field_path is not null;
end;

revoke all on function drip_core._compile_template(text, text[], text[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._compile_template(text, text[], text[], int) is
'format() string of a template over given fields; block 0 takes values as they are, 1 escaped for html, 2 for headers.';
