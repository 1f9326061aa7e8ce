-- requires: functions/internal/_mentions.sql
-- What is left of the details of an event when its contact is erased: what reports and the engine count by.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._erased_data(data jsonb, words text[])
returns jsonb
language sql
immutable
parallel safe
begin atomic
  select jsonb_object_agg(d.key, d.value)
  from jsonb_each(_erased_data.data) as d
  where d.key in (
      'source', 'entry_no', 'attempt', 'outcome', 'in_flight', 'sequence_key', 'step_key', 'enrollment_id', 'step_id', 'from_version', 'to_version',
      'from_step', 'to_step', 'amount', 'currency', 'deal_id', 'inbound_id', 'provider_event_id', 'attributed_by', 'is_inferred', 'link_no'
    )
    and not drip_core._mentions(d.value #>> '{}', _erased_data.words);
end;

revoke all on function drip_core._erased_data(jsonb, text[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._erased_data(jsonb, text[]) is 'What is left of the details of an event when its contact is erased.';
