-- owner: drip_engine
-- requires: functions/internal/_read_token.sql, functions/internal/_unsubscribe_message.sql
-- Unsubscribes whom a message was sent to from its channel, in one transaction: consent ledger, suppression of the address it
-- went to and of the contact's own, every open enrollment of that person that uses the channel, one event each. The event
-- of the enrollment that the message belongs to names its step. A link works for ever: also when the message was purged,
-- when the enrollment has ended, and again after a re-consent. What was in flight at that moment is counted.
-- A token that names nothing is answered like one whose contact had unsubscribed before.
-- Locks: the contact, its open enrollments in id order, then suppressions. Errors: none. A repeat changes nothing.
create or replace function drip.unsubscribe(token text, source text default 'link')
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_named record;
  v_done record;
begin
  select t.organization_id, t.enrollment_id, t.step_id into v_named from drip_core._read_token(unsubscribe.token, 'link') as t;
  select u.ended, u.in_flight
  into v_done
  from drip_core._unsubscribe_message(
    v_named.organization_id, v_named.enrollment_id, v_named.step_id,
    coalesce(nullif(left(btrim(unsubscribe.source), 100), ''), 'link'), '{}', null) as u;
  return jsonb_build_object('status', 'unsubscribed', 'ended', v_done.ended, 'in_flight', v_done.in_flight);
end;
$$;

revoke all on function drip.unsubscribe(text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.unsubscribe(text, text) to drip_app, drip_runner, drip_public;
comment on function drip.unsubscribe(text, text) is
'Unsubscribes the contact a link token belongs to from the channel of its message; source: link, one_click, mailto, stop_word … Returns {status: "unsubscribed", ended: enrollments ended now, in_flight: messages that were with a runner and may still arrive}; a token that names nothing is answered with zeros. Errors: none.';
