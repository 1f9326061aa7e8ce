-- requires: functions/internal/_authorize.sql, functions/internal/_require_contact.sql, functions/internal/_read_channel.sql, functions/internal/_check_evidence.sql, functions/internal/_write_consent.sql
-- The one way back: records that a contact agreed again to be written to on a channel, and lifts every suppression of its
-- address there. The evidence must say something, and must not be older than what it lifts. No enrollment is reopened.
-- Locks: the contact, then its suppressions. Errors: PT403, PT404, PT409 (older than the withdrawal), PT422. A repeat is
-- another statement; it lifts nothing more.
create or replace function drip.reconsent(organization_id bigint, contact_id bigint, channel text, evidence jsonb)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := reconsent.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_channel drip.channel;
  v_problem text;
  v_hash bytea;
  v_at timestamptz;
  v_withdrawn_at timestamptz;
  v_lifted int;
begin
  perform drip_core._authorize(v_org, 'reconsent', jsonb_build_object('contact_id', reconsent.contact_id, 'channel', reconsent.channel));
  perform drip_core._require_contact(v_org, reconsent.contact_id);
  v_channel := drip_core._read_channel(reconsent.channel);
  v_problem := case
    when reconsent.evidence is null or reconsent.evidence = '{}' then 'evidence: it is empty'
    else drip_core._check_evidence(reconsent.evidence)
  end;
  if v_problem is not null then
    raise exception 'a re-consent needs evidence'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Say how the person agreed: source, source_ref, wording_version, occurred_at, ip, user_agent, or keys of your own.';
  end if;
  v_at := coalesce(drip_core._try_time(reconsent.evidence ->> 'occurred_at'), v_now);

  select case v_channel when 'email' then c.email_hash else c.phone_hash end
  into v_hash
  from drip_core.contacts as c
  where c.organization_id = v_org and c.id = reconsent.contact_id
  for no key update;
  select max(w.withdrawn_at)
  into v_withdrawn_at
  from (
    select sp.created_at as withdrawn_at
    from drip_core.suppressions as sp
    where sp.organization_id = v_org and sp.address_hash = v_hash and sp.channel = v_channel and sp.lifted_at is null
    union all
    select l.occurred_at
    from drip_core.consent_ledger as l
    where l.organization_id = v_org and l.contact_id = reconsent.contact_id and l.channel = v_channel
      and l.state = 'opted_out' and l.is_effective
  ) as w;
  if v_at < v_withdrawn_at then
    raise exception 'the consent is older than the withdrawal'
      using errcode = 'PT409', detail = format('occurred_at: %s, withdrawn at: %s', v_at, v_withdrawn_at),
        hint = 'Only a consent given after the withdrawal lifts it.';
  end if;

  update drip_core.suppressions as sp
  set lifted_at = v_now, lifted_by = drip_core.current_profile(), lift_evidence = reconsent.evidence
  where sp.organization_id = v_org and sp.address_hash = v_hash and sp.channel = v_channel and sp.lifted_at is null;
  get diagnostics v_lifted = row_count;
  perform drip_core._write_consent(
    v_org, array[reconsent.contact_id], v_channel, 'opted_in', coalesce(left(reconsent.evidence ->> 'source', 100), 'reconsent'),
    jsonb_build_object('basis', 'express') || reconsent.evidence);
  insert into drip_core.events (organization_id, occurred_at, recorded_at, type, contact_id, channel, actor_profile_id)
  values (v_org, least(v_at, v_now), v_now, 'resubscribed', reconsent.contact_id, v_channel, drip_core.current_profile());
  return v_lifted;
end;
$$;

revoke all on function drip.reconsent(bigint, bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.reconsent(bigint, bigint, text, jsonb) to drip_app;
comment on function drip.reconsent(bigint, bigint, text, jsonb) is
'Records with evidence that a contact agreed again to a channel, and lifts the suppressions of its address there; returns how many. Known keys of evidence: source, source_ref, basis, wording_version, wording_hash, locale, ip, user_agent, occurred_at, expires_at. Errors: PT403, PT404, PT409 (older than the withdrawal), PT422 (no evidence).';
