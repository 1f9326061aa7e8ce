-- requires: functions/internal/_try_time.sql, functions/internal/current_profile.sql, functions/internal/now.sql
-- Writes statements about consent, one for each contact, in the order given. Known keys of the evidence become columns.
-- Locks: the contacts with key share, by foreign key. Errors: none for checked evidence. A repeat writes another statement.
create or replace function drip_core._write_consent(
  organization_id bigint, contact_ids bigint[], channel drip.channel, state drip.consent_state, source text, evidence jsonb,
  enrollment_id bigint default null, step_id bigint default null
)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into drip_core.consent_ledger (
    organization_id, contact_id, channel, state, is_effective, basis, source, source_ref, wording_version, wording_hash, locale, ip,
    user_agent, expires_at, enrollment_id, step_id, actor_profile_id, evidence, occurred_at, recorded_at
  )
  select
    _write_consent.organization_id, c.id, _write_consent.channel, _write_consent.state, true, v.given ->> 'basis', _write_consent.source,
    v.given ->> 'source_ref', v.given ->> 'wording_version', v.given ->> 'wording_hash', v.given ->> 'locale', (v.given ->> 'ip')::inet,
    v.given ->> 'user_agent', drip_core._try_time(v.given ->> 'expires_at'), _write_consent.enrollment_id, _write_consent.step_id,
    drip_core.current_profile(),
    v.given - array[
      'basis', 'source', 'source_ref', 'wording_version', 'wording_hash', 'locale', 'ip', 'user_agent', 'expires_at', 'occurred_at'
    ],
    coalesce(drip_core._try_time(v.given ->> 'occurred_at'), drip_core.now()), drip_core.now()
  from (select coalesce(_write_consent.evidence, '{}') as given) as v
  cross join unnest(_write_consent.contact_ids) with ordinality as c (id, ordinal)
  order by c.ordinal;
$$;

revoke all on function drip_core._write_consent(bigint, bigint[], drip.channel, drip.consent_state, text, jsonb, bigint, bigint)
from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._write_consent(bigint, bigint[], drip.channel, drip.consent_state, text, jsonb, bigint, bigint) is
'Writes effective statements about consent into the ledger.';
