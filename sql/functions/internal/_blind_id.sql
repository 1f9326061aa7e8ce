-- A provider's message id without what it may say of the recipient (gateways put the phone number into it): what came
-- later can still be counted for the message, nobody can be read from it. Locks: none. Errors: none. Twice is not once.
create or replace function drip_core._blind_id(provider_message_id text)
returns text
language sql
immutable
parallel safe
return 'sha256:' || encode(sha256(convert_to(provider_message_id, 'UTF8')), 'hex');

revoke all on function drip_core._blind_id(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._blind_id(text) is 'A provider''s message id as its SHA-256.';
