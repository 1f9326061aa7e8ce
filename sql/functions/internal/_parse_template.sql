-- Splits a template into literals and merge fields ({{ path }} and {{ path | default: 'x' }}, the Liquid output
-- subset). Anything else in {{ or {% is a problem, reported in its place.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._parse_template(template text)
returns table (literal text, field_path text, field_default text, problem text)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rest text := _parse_template.template;
  v_at int;
  v_tag int;
  v_end int;
  v_inner text;
  v_match text[];
  v_known constant text[] := array[
    'contact.external_id', 'contact.email', 'contact.phone', 'contact.first_name', 'contact.last_name', 'contact.company',
    'contact.timezone', 'contact.attributes.*', 'deal.external_id', 'deal.name', 'deal.stage', 'deal.amount', 'deal.currency',
    'sender.key', 'sender.address', 'sender.display_name', 'organization.name', 'organization.postal_address',
    'organization.imprint', 'unsubscribe_url'
  ];
begin
  while v_rest <> '' loop
    v_at := strpos(v_rest, '{{');
    v_tag := strpos(v_rest, '{%');
    if v_tag > 0 and (v_at = 0 or v_tag < v_at) then
      return query select null::text, null::text, null::text,
        format('"%s" is not supported; only {{ field }} and {{ field | default: ''text'' }} are', left(substr(v_rest, v_tag), 30));
      return;
    end if;
    if v_at = 0 then
      return query select v_rest, null::text, null::text, null::text;
      return;
    end if;
    if v_at > 1 then
      return query select left(v_rest, v_at - 1), null::text, null::text, null::text;
    end if;
    v_rest := substr(v_rest, v_at + 2);
    v_end := strpos(v_rest, '}}');
    if v_end = 0 then
      return query select null::text, null::text, null::text, format('"{{%s" is never closed', left(v_rest, 30));
      return;
    end if;
    v_inner := left(v_rest, v_end - 1);
    v_rest := substr(v_rest, v_end + 2);
    v_match := regexp_match(v_inner,
      '^\s*([a-z_]+(?:\.[A-Za-z0-9_]+)*)\s*(?:\|\s*default:\s*(?:''([^'']*)''|"([^"]*)")\s*)?$');
    if v_match is null then
      return query select null::text, null::text, null::text,
        format('"{{%s}}" is not a merge field; write {{ field }} or {{ field | default: ''text'' }}', left(v_inner, 40));
      return;
    end if;
    if v_match[1] <> all (v_known) and v_match[1] !~ '^contact\.attributes\.[A-Za-z0-9_]+$' then
      return query select null::text, null::text, null::text,
        format('"%s" is not a known field', v_match[1])
        || coalesce('; did you mean "' || drip_core._nearest_word(v_match[1], v_known) || '"?',
          '; known: ' || array_to_string(v_known, ', '));
      return;
    end if;
    return query select null::text, v_match[1], coalesce(v_match[2], v_match[3]), null::text;
  end loop;
end;
$$;

revoke all on function drip_core._parse_template(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_template(text) is 'Literals, merge fields and problems of a template, in order.';
