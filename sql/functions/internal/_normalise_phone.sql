-- A phone number as E.164 with its plus sign; spaces, dots, dashes, slashes and brackets go, 00 becomes +.
-- Locks: none. Errors: none (what is no number fails the check of its table). Harmless to repeat.
create or replace function drip_core._normalise_phone(number text)
returns text
language sql
immutable
parallel safe
return regexp_replace(regexp_replace(btrim(number), '[[:space:]().\/-]', '', 'g'), '^00', '+');

revoke all on function drip_core._normalise_phone(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._normalise_phone(text) is 'Phone number as E.164 with plus sign.';
