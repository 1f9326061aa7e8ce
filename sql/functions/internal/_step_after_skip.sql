-- requires: functions/internal/_is_unreachable.sql
-- The step that follows where a step cannot be delivered to a contact: the next one, while one of those to come can still be
-- delivered; null: none can, the enrollment ends.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._step_after_skip(organization_id bigint, step_id bigint, contact_id bigint)
returns bigint
language sql
stable
begin atomic
  select n.id
  from drip_core.steps as s
  inner join drip_core.steps as n
    on s.organization_id = n.organization_id and s.sequence_id = n.sequence_id and s.version = n.version and s.step_no + 1 = n.step_no
  where s.organization_id = _step_after_skip.organization_id and s.id = _step_after_skip.step_id
    and exists (
      select from drip_core.steps as f
      inner join drip_core.contacts as c on f.organization_id = c.organization_id and c.id = _step_after_skip.contact_id
      where f.organization_id = s.organization_id and f.sequence_id = s.sequence_id and f.version = s.version and f.step_no > s.step_no
        and case f.channel when 'email' then c.email else c.phone end is not null
        and (f.channel <> 'whatsapp_lite' or not drip_core._is_unreachable(f.organization_id, c.id, f.channel, c.phone_hash))
    );
end;

revoke all on function drip_core._step_after_skip(bigint, bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._step_after_skip(bigint, bigint, bigint) is
'The step that follows where a step cannot be delivered to a contact; null: none of those to come can.';
