-- requires: functions/internal/_consent_of.sql, functions/internal/_suppress_contact.sql, functions/internal/_end_enrollments.sql
-- Records what an upsert or import says about consent. An opt-out counts at once: suppression of the address, and
-- every open enrollment that uses the channel ends as unsubscribed. An opt-in over an opt-out or a suppression is
-- kept as a claim that changed nothing: only drip.reconsent with evidence can do that. The same statement twice is one.
-- Locks: the contact's open enrollments in id order, then the suppression of its address. Errors: none. A repeat changes nothing.
create or replace function drip_core._record_consent(
  organization_id bigint, contact_id bigint, channel drip.channel, state drip.consent_state, source text
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := drip_core.now();
  v_profile constant uuid := drip_core.current_profile();
  v_current drip.consent_state := drip_core._consent_of(_record_consent.organization_id, _record_consent.contact_id, _record_consent.channel);
  v_suppressed boolean;
begin
  if v_current is not distinct from _record_consent.state or (
    -- the same claim without effect, said again
    select l.state
    from drip_core.consent_ledger as l
    where l.organization_id = _record_consent.organization_id and l.contact_id = _record_consent.contact_id
      and l.channel = _record_consent.channel
    order by l.id desc
    limit 1
  ) is not distinct from _record_consent.state then
    return;
  end if;
  v_suppressed := exists (
    select from drip_core.contacts as c
    join drip_core.suppressions as s
      on s.organization_id = c.organization_id
      and s.address_hash = case _record_consent.channel when 'email' then c.email_hash else c.phone_hash end
    where c.organization_id = _record_consent.organization_id and c.id = _record_consent.contact_id
      and s.channel = _record_consent.channel and s.lifted_at is null
  );
  insert into drip_core.consent_ledger (
    organization_id, contact_id, channel, state, is_effective, source, actor_profile_id, occurred_at, recorded_at
  )
  values (
    _record_consent.organization_id, _record_consent.contact_id, _record_consent.channel, _record_consent.state,
    _record_consent.state = 'opted_out' or (v_current is null and not v_suppressed),
    _record_consent.source, v_profile, v_now, v_now
  );
  if _record_consent.state = 'opted_out' then
    -- enrollments before suppressions, as a settlement locks them
    perform drip_core._end_enrollments(
      _record_consent.organization_id, array[_record_consent.contact_id], _record_consent.channel, 'opted_out',
      jsonb_build_object('source', _record_consent.source));
    perform drip_core._suppress_contact(
      _record_consent.organization_id, _record_consent.contact_id, _record_consent.channel, 'opted_out',
      jsonb_build_object('source', _record_consent.source));
  end if;
end;
$$;

revoke all on function drip_core._record_consent(bigint, bigint, drip.channel, drip.consent_state, text)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._record_consent(bigint, bigint, drip.channel, drip.consent_state, text) is
'Records a statement about consent; an opt-out takes effect at once, an opt-in never lifts an opt-out or a suppression.';
