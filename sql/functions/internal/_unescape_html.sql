-- The address that an attribute of html spells: &amp; and its kin are what they stand for.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._unescape_html(value text)
returns text
language sql
immutable
parallel safe
return replace(replace(replace(replace(replace(replace(value, '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&#39;', ''''), '&#38;', '&'), '&amp;', '&');

revoke all on function drip_core._unescape_html(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._unescape_html(text) is 'A text whose html entities are what they stand for.';
