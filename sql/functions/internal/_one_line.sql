-- A text without line breaks and tabs, each run of them one space: what becomes a header must stay one line.
-- Cheap where there is none, which is nearly always. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._one_line(value text)
returns text
language sql
immutable
parallel safe
return case
  when strpos(value, e'\n') = 0 and strpos(value, e'\r') = 0 and strpos(value, e'\t') = 0 and strpos(value, e'\x0b') = 0
    and strpos(value, e'\f') = 0 and strpos(value, e'\u0085') = 0 and strpos(value, e'\u2028') = 0 and strpos(value, e'\u2029') = 0
    then value
  else regexp_replace(value, '[\r\n\t\v\f\u0085\u2028\u2029]+', ' ', 'g')
end;

revoke all on function drip_core._one_line(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._one_line(text) is 'A text without line breaks and tabs: each run of them becomes one space.';
