-- A text for html: the five characters that mean something there, escaped. Cheap where there is none.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._escape_html(value text)
returns text
language sql
immutable
parallel safe
return case
  when strpos(value, '&') = 0 and strpos(value, '<') = 0 and strpos(value, '>') = 0 and strpos(value, '"') = 0
    and strpos(value, '''') = 0
    then value
  else replace(replace(replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;')
end;

revoke all on function drip_core._escape_html(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._escape_html(text) is 'A text with &, <, >, " and '' escaped for html.';
