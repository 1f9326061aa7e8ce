-- What the components of a WhatsApp template ask of a message, in order: the key by which a step gives each value, and the
-- component and parameter of the Cloud API that the value becomes.
--   body            1, 2 … or first_name …            header (text)    header.1, header.first_name
--   header (media)  header.image, .video, .document (links); may have header.filename
--   buttons         buttons.0.url (the end of its link), buttons.1.payload (may be given), buttons.2.code
-- A component of which pgdrip cannot make a message has a problem and nothing else.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._template_parts(components jsonb, parameter_format text)
returns table (component_no int, key text, is_required boolean, component jsonb, parameter jsonb, problem text)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_item record;
  v_button record;
  v_type text;
  v_format text;
  v_prefix text;
begin
  for v_item in
    select c.value, c.ordinal::int as ordinal
    from jsonb_array_elements(coalesce(_template_parts.components, '[]')) with ordinality as c (value, ordinal)
    order by c.ordinal
  loop
    v_type := upper(coalesce(v_item.value ->> 'type', 'BODY'));
    v_format := upper(coalesce(v_item.value ->> 'format', 'TEXT'));
    if v_type = 'BODY' or (v_type = 'HEADER' and v_format = 'TEXT') then
      v_prefix := case v_type when 'HEADER' then 'header.' else '' end;
      return query
      select
        v_item.ordinal, v_prefix || p.name, true, jsonb_build_object('type', lower(v_type)),
        case _template_parts.parameter_format
          when 'named' then jsonb_build_object('type', 'text', 'parameter_name', p.name)
          else '{"type": "text"}'
        end,
        null::text
      from (
        select m.match[1] as name, min(m.ordinal) as first_at
        from regexp_matches(v_item.value ->> 'text', '\{\{\s*([A-Za-z0-9_]+)\s*\}\}', 'g') with ordinality as m (match, ordinal)
        group by m.match[1]
      ) as p
      -- the API takes numbered ones by their place
      order by case when p.name ~ '^[0-9]{1,9}$' then p.name::int end, p.first_at;
    elsif v_type = 'HEADER' and v_format in ('IMAGE', 'VIDEO', 'DOCUMENT') then
      return query
      select
        v_item.ordinal, 'header.' || lower(v_format), true, '{"type": "header"}'::jsonb, jsonb_build_object('type', lower(v_format)), null::text;
      if v_format = 'DOCUMENT' then
        return query select v_item.ordinal, 'header.filename', false, null::jsonb, null::jsonb, null::text;
      end if;
    elsif v_type = 'BUTTONS' then
      for v_button in
        select b.value, (b.ordinal - 1)::int as position
        from jsonb_array_elements(coalesce(v_item.value -> 'buttons', '[]')) with ordinality as b (value, ordinal)
        order by b.ordinal
      loop
        v_prefix := format('buttons.%s.', v_button.position);
        case upper(v_button.value ->> 'type')
          when 'URL' then
            return query
            select
              v_item.ordinal, v_prefix || 'url', true,
              jsonb_build_object('type', 'button', 'sub_type', 'url', 'index', v_button.position::text), '{"type": "text"}'::jsonb, null::text
            where strpos(v_button.value ->> 'url', '{{') > 0;
          when 'QUICK_REPLY' then
            return query
            select
              v_item.ordinal, v_prefix || 'payload', false,
              jsonb_build_object('type', 'button', 'sub_type', 'quick_reply', 'index', v_button.position::text), '{"type": "payload"}'::jsonb, null::text;
          when 'COPY_CODE' then
            return query
            select
              v_item.ordinal, v_prefix || 'code', true,
              jsonb_build_object('type', 'button', 'sub_type', 'copy_code', 'index', v_button.position::text), '{"type": "coupon_code"}'::jsonb, null::text;
          when 'PHONE_NUMBER' then
            null;
          else
            return query
            select v_item.ordinal, null::text, null::boolean, null::jsonb, null::jsonb,
              format('a button of type %s', left(coalesce(v_button.value ->> 'type', 'null'), 40));
        end case;
      end loop;
    elsif v_type <> 'FOOTER' then
      return query
      select v_item.ordinal, null::text, null::boolean, null::jsonb, null::jsonb,
        case v_type when 'HEADER' then format('a header of format %s', left(v_format, 40)) else format('a component of type %s', left(v_type, 40)) end;
    end if;
  end loop;
end;
$$;

revoke all on function drip_core._template_parts(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._template_parts(jsonb, text) is
'What the components of a WhatsApp template ask of a message: keys of values, and what of the Cloud API each becomes.';
