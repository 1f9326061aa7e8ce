-- requires: functions/internal/_lock_person.sql, functions/internal/_end_enrollments.sql, functions/internal/_consent_of.sql, functions/internal/_write_consent.sql
-- Puts addresses of a channel on the suppression list, for everything or for one sequence, and does at once what follows:
-- every contact that has one of them (and those named) ends its open enrollments that use the channel, with a message in
-- flight or not; where the reason is the person's own will and holds for everything, the ledger says so.
-- Locks: the contacts in id order, their open enrollments in id order, then the suppressions in the order of their hashes.
-- Errors: none. A repeat changes nothing.
create or replace function drip_core._withdraw_consent(
  organization_id bigint, channel drip.channel, contact_ids bigint[], address_hashes bytea[], reason drip.reason,
  only_sequence_id bigint, source text, evidence jsonb, cause jsonb, enrollment_id bigint, step_id bigint,
  out ended_ids bigint[], out in_flight int, out is_new boolean
)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _withdraw_consent.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_contacts bigint[];
begin
  v_contacts := drip_core._lock_person(
    v_org, _withdraw_consent.channel, _withdraw_consent.contact_ids, _withdraw_consent.address_hashes, null);
  select e.ended_ids, e.in_flight
  into ended_ids, in_flight
  from drip_core._end_enrollments(
    v_org, v_contacts, _withdraw_consent.channel, _withdraw_consent.reason, _withdraw_consent.cause, _withdraw_consent.only_sequence_id) as e;

  with listed as (
    insert into drip_core.suppressions (organization_id, channel, address_hash, scope, sequence_id, reason, evidence, created_at)
    select
      v_org, _withdraw_consent.channel, h.hash,
      case when _withdraw_consent.only_sequence_id is null then 'all' else 'sequence' end::drip.suppression_scope,
      _withdraw_consent.only_sequence_id, _withdraw_consent.reason, coalesce(_withdraw_consent.evidence, '{}'), v_now
    from (select distinct u.hash from unnest(_withdraw_consent.address_hashes) as u (hash) where u.hash is not null) as h
    order by h.hash
    on conflict do nothing
    returning id
  )

  select count(*) > 0 into is_new from listed;

  if _withdraw_consent.only_sequence_id is null and _withdraw_consent.reason in ('opted_out', 'unsubscribed', 'complained') then
    perform drip_core._write_consent(
      v_org,
      array(
        select c.id
        from unnest(v_contacts) as c (id)
        where drip_core._consent_of(v_org, c.id, _withdraw_consent.channel) is distinct from 'opted_out'
        order by c.id
      ),
      _withdraw_consent.channel, 'opted_out', _withdraw_consent.source, _withdraw_consent.evidence, _withdraw_consent.enrollment_id,
      _withdraw_consent.step_id);
  end if;
  if is_new and _withdraw_consent.step_id is null then
    insert into drip_core.events (organization_id, occurred_at, recorded_at, type, reason, contact_id, channel, actor_profile_id, data)
    select
      v_org, v_now, v_now, 'suppressed', _withdraw_consent.reason, c.id, _withdraw_consent.channel, drip_core.current_profile(),
      _withdraw_consent.cause
    from unnest(v_contacts) as c (id);
  end if;
end;
$$;

revoke all on function drip_core._withdraw_consent(
  bigint, drip.channel, bigint[], bytea[], drip.reason, bigint, text, jsonb, jsonb, bigint, bigint
) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._withdraw_consent(bigint, drip.channel, bigint[], bytea[], drip.reason, bigint, text, jsonb, jsonb, bigint, bigint) is
'Suppresses addresses and ends what would write to them; the enrollments that ended, how many had a message in flight, and whether anything was new.';
