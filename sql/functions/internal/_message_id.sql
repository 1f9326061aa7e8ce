-- owner: drip_engine
-- requires: functions/internal/_make_token.sql
-- The Message-ID under which an email is known to its recipients: the provider's where it replaced ours.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._message_id(message drip_core.messages, key drip_core.secret_keys)
returns text
language sql
stable
return '<' || case
  when (message).provider_message_id like '%@%' then btrim((message).provider_message_id, '<>')
  else drip_core._make_token(
      (key).id, (key).inner_pad, (key).outer_pad, 'message',
      (message).organization_id, (message).enrollment_id, (message).step_id
    )
    || '@' || split_part((message).merge_values ->> 'from', '@', 2)
end || '>';

revoke all on function drip_core._message_id(drip_core.messages, drip_core.secret_keys)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._message_id(drip_core.messages, drip_core.secret_keys) is 'The Message-ID of a sent email, in angle brackets.';
