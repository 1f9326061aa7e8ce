-- requires: functions/internal/_max_message_size.sql
-- Refuses a message that a claim would refuse for its size (see _check_messages), before it is rendered.
-- Locks: none. Errors: PT409. Harmless to repeat.
create or replace function drip_core._require_message_size(contact_id bigint, size bigint)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if _require_message_size.size > drip_core._max_message_size() then
    raise exception 'the message is too large'
      using errcode = 'PT409',
        detail = format('contact_id: %s, at most 2,000,000 bytes of subject, text, html and parameters', _require_message_size.contact_id),
        hint = 'Shorten the step, mention its merge fields less often, or shorten their values. The claim refuses it as rejected_content.';
  end if;
end;
$$;

revoke all on function drip_core._require_message_size(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_message_size(bigint, bigint) is 'Refuses a message that is too large to be sent.';
