-- owner: drip_engine
-- requires: functions/internal/_react_to_inbound.sql, functions/internal/_note_inbound_failure.sql
-- Reacts to an inbound message; what goes wrong is written down, heeded by the claim and tried again by drip.tick.
-- Locks: as _react_to_inbound. Errors: none. A repeat changes nothing.
create or replace function drip_core._apply_inbound(organization_id bigint, inbound_id bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_code text;
  v_message text;
begin
  perform drip_core._react_to_inbound(_apply_inbound.organization_id, _apply_inbound.inbound_id);
exception
  when others then
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
    perform drip_core._note_inbound_failure(_apply_inbound.organization_id, _apply_inbound.inbound_id, v_code, v_message);
end;
$$;

revoke all on function drip_core._apply_inbound(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._apply_inbound(bigint, bigint) is 'Reacts to an inbound message; never fails.';
