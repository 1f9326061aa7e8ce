-- owner: drip_engine
-- requires: functions/internal/_settle_messages.sql
-- Settles a held message that a fact speaks of: whoever opens, answers or returns it has got it, so it was sent. True where
-- it was held.
-- Locks: the enrollment, then its lane. Errors: none. A repeat changes nothing.
create or replace function drip_core._settle_by_fact(organization_id bigint, enrollment_id bigint, step_id bigint)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_held drip_core.held_messages;
begin
  select h.*
  into v_held
  from drip_core.held_messages as h
  where h.organization_id = _settle_by_fact.organization_id and h.enrollment_id = _settle_by_fact.enrollment_id
    and h.step_id = _settle_by_fact.step_id;
  if not found then
    return false;
  end if;
  perform drip_core._settle_messages(_settle_by_fact.organization_id, array[row(
    1, _settle_by_fact.organization_id, _settle_by_fact.enrollment_id, v_held.claim_token, 'sent', null, v_held.handed_over_at, null, null,
    null, null
  )::drip_core.provider_result]);
  return true;
end;
$$;

revoke all on function drip_core._settle_by_fact(bigint, bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._settle_by_fact(bigint, bigint, bigint) is 'Settles a held message as sent, because a fact speaks of it; whether it was held.';
