-- owner: drip_engine
-- requires: functions/internal/_note_failure.sql, functions/internal/_classify_inbound.sql, functions/internal/_find_answered.sql
-- Writes down that the reaction to an inbound message failed, with what can be found out all the same: class, whose it is and
-- what it answers, so that the claim heeds it. Each of these may be what failed, and is then left out.
-- Locks: none. Errors: none. Once per failed attempt.
create or replace function drip_core._note_inbound_failure(organization_id bigint, inbound_id bigint, error_code text, error_message text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _note_inbound_failure.organization_id;
  v_in drip_core.inbound_messages;
  v_found record;
  v_contact bigint;
  v_enrollment bigint;
begin
  select i.* into v_in from drip_core.inbound_messages as i where i.organization_id = v_org and i.id = _note_inbound_failure.inbound_id;
  begin
    v_in.class := drip_core._classify_inbound(v_in.channel, v_in.from_address, v_in.subject, v_in.text_body, v_in.headers);
  exception
    when others then
      v_in.class := 'human'::drip.inbound_class;
  end;
  begin
    select f.enrollment_id, f.contact_id
    into v_found
    from drip_core._find_answered(
      v_org, v_in.channel, v_in.headers ->> 'in-reply-to', v_in.in_reply_to, v_in.to_address, v_in.from_hash, v_in.received_at) as f;
    v_contact := v_found.contact_id;
    v_enrollment := v_found.enrollment_id;
  exception
    when others then
      select min(c.id)
      into v_contact
      from drip_core.contacts as c
      where c.organization_id = v_org and v_in.from_hash in (c.email_hash, c.phone_hash);
  end;
  update drip_core.inbound_messages as i
  set state = 'pending', next_try_at = null
  where i.organization_id = v_org and i.id = v_in.id and i.state = 'parked';
  perform drip_core._note_failure(
    v_org, 'inbound', v_in.id, v_contact, v_enrollment, v_in.channel,
    case v_in.class
      when 'human' then 'replied'
      when 'unsubscribe_request' then 'unsubscribed'
      when 'out_of_office' then 'auto_replied'
    end::drip.reason,
    '{}', v_in.received_at, _note_inbound_failure.error_code, _note_inbound_failure.error_message);
end;
$$;

revoke all on function drip_core._note_inbound_failure(bigint, bigint, text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._note_inbound_failure(bigint, bigint, text, text) is 'Writes down that the reaction to an inbound message failed.';
