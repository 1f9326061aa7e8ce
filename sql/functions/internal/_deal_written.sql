-- requires: functions/internal/_react_to_deal.sql, functions/internal/_note_failure.sql
-- Lets campaigns react to a deal. Never the reason why its write fails: what goes wrong is written down, heeded by the claim
-- and tried again by drip.tick.
-- Locks: as _react_to_deal. Errors: none. A repeat changes nothing.
create or replace function drip_core._deal_written(organization_id bigint, deal_id bigint, contact_id bigint, stage text, is_new boolean, is_stage_new boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_code text;
  v_message text;
begin
  if _deal_written.is_new or _deal_written.is_stage_new then
    perform drip_core._react_to_deal(
      _deal_written.organization_id, _deal_written.deal_id, _deal_written.stage, _deal_written.is_new, _deal_written.is_stage_new, v_now);
  end if;
exception
  when others then
    get stacked diagnostics v_code = returned_sqlstate, v_message = message_text;
    perform drip_core._note_failure(
      _deal_written.organization_id, 'deal', _deal_written.deal_id, _deal_written.contact_id, null, null, 'deal_stage',
      jsonb_build_object('stage', _deal_written.stage, 'is_new', _deal_written.is_new, 'is_stage_new', _deal_written.is_stage_new),
      v_now, v_code, v_message);
end;
$$;

revoke all on function drip_core._deal_written(bigint, bigint, bigint, text, boolean, boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._deal_written(bigint, bigint, bigint, text, boolean, boolean) is 'Lets campaigns react to a deal; never fails.';
