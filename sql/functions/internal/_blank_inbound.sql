-- requires: functions/internal/_blind_id.sql
-- Empties what could name a person in inbound messages; that they came, when and of which class stays.
-- Locks: the rows. Errors: none. Twice is once.
create or replace function drip_core._blank_inbound(organization_id bigint, inbound_ids bigint[])
returns void
language sql
volatile
begin atomic
  update drip_core.inbound_messages as i
  set
    external_id = case when i.external_id like 'sha256:%' then i.external_id else drip_core._blind_id(i.external_id) end,
    from_address = null, to_address = null, from_hash = null, in_reply_to = '{}', subject = null, text_body = null, headers = '{}'
  where i.organization_id = _blank_inbound.organization_id and i.id = any(_blank_inbound.inbound_ids);
end;

revoke all on function drip_core._blank_inbound(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._blank_inbound(bigint, bigint[]) is 'Empties what could name a person in inbound messages.';
