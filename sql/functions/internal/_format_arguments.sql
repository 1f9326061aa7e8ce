-- requires: functions/internal/_escape_html.sql, functions/internal/_one_line.sql
-- The arguments for the format() strings of a step: each value three times (as it is, for html, for headers),
-- with an empty value behind each block. Takes the values joined as _join_values does; escapes the joined text once
-- instead of value by value. Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._format_arguments(text[]);
create or replace function drip_core._format_arguments(joined text)
returns text[]
language sql
immutable
parallel safe
return string_to_array(joined, e'\x1f')
|| string_to_array(drip_core._escape_html(joined), e'\x1f')
|| string_to_array(drip_core._one_line(joined), e'\x1f');

revoke all on function drip_core._format_arguments(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._format_arguments(text) is
'Arguments of the format() strings of a step: joined values as they are, escaped for html, and without line breaks.';
