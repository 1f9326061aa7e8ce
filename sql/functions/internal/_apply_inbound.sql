-- owner: drip_engine
-- requires: functions/internal/_react_to_inbound.sql, functions/internal/_note_inbound_failure.sql
-- Reacts to an inbound message; what goes wrong is written down, heeded by the claim and tried again by drip.tick. Returns
-- the code of what went wrong; null: nothing.
-- Locks: as _react_to_inbound. Errors: none. A repeat changes nothing.
drop function if exists drip_core._apply_inbound(bigint, bigint);
create or replace function drip_core._apply_inbound(organization_id bigint, inbound_id bigint)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_code text;
  v_message text;
begin
  perform drip_core._react_to_inbound(_apply_inbound.organization_id, _apply_inbound.inbound_id);
  return null;
exception
  when others then
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
    perform drip_core._note_inbound_failure(_apply_inbound.organization_id, _apply_inbound.inbound_id, v_code, v_message);
    return v_code;
end;
$$;

revoke all on function drip_core._apply_inbound(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._apply_inbound(bigint, bigint) is 'Reacts to an inbound message; never fails, but returns the code of what went wrong.';
