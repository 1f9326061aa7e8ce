-- Merge values as one text: each followed by the unit separator, which no value contains; what stands behind the last
-- one is the empty argument of format(). Stable, as array_to_string is: otherwise it would not be inlined. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._join_values(field_values text[])
returns text
language sql
stable
parallel safe
return array_to_string(field_values || ''::text, e'\x1f');

revoke all on function drip_core._join_values(text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._join_values(text[]) is 'Merge values joined by the unit separator, with an empty one at the end.';
