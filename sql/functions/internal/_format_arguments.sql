-- The arguments for the format() strings of a step: each value three times (as it is, for html, for headers),
-- with an empty value behind each block. Escapes the joined text once instead of value by value.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._format_arguments(field_values text[])
returns text[]
language sql
immutable
parallel safe
return field_values || ''::text
|| string_to_array(replace(replace(replace(replace(replace(
  array_to_string(field_values || ''::text, e'\x1f', ''), '&', '&amp;'
), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'), e'\x1f')
|| string_to_array(regexp_replace(array_to_string(field_values || ''::text, e'\x1f', ''), '[\r\n\t\v\f\u0085\u2028\u2029]+', ' ', 'g'), e'\x1f');

revoke all on function drip_core._format_arguments(text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._format_arguments(text[]) is 'Values as they are, escaped for html, and without line breaks: the arguments of a step''s format() strings.';
