-- The form of an email address that is hashed and compared: trimmed, lower case. Plus tags stay: they are
-- different mailboxes to many servers. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._normalise_email(address text)
returns text
language sql
immutable
parallel safe
return lower(btrim(address));

revoke all on function drip_core._normalise_email(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._normalise_email(text) is 'Email address in the form that is hashed: trimmed and lower case; plus tags are kept.';
