-- owner: drip_engine
-- Takes claims back whose outcome will not come: those never handed over (or of a sender that resends) are due again,
-- the others become held messages; so do those of which a provider has reported something already. The caller holds the enrollments and applies the counts to the lane.
-- Locks: none. Errors: none. Not to be repeated.
create or replace function drip_core._release_claims(organization_id bigint, enrollment_ids bigint[], at timestamptz, out released int, out held int)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _release_claims.organization_id;
  v_at constant timestamptz := _release_claims.at;
  v_held bigint[];
begin
  released := 0;
  held := 0;
  if coalesce(cardinality(_release_claims.enrollment_ids), 0) = 0 then
    return;
  end if;

  select array_agg(e.id order by e.id)
  into v_held
  from drip_core.enrollments as e
  join drip_core.channel_accounts as a on a.organization_id = v_org and a.id = e.channel_account_id
  where e.organization_id = v_org and e.id = any (_release_claims.enrollment_ids)
    and (e.handed_over_at is not null and a.on_unknown = 'hold'
      -- a report that came early proves that it was sent: drip.tick settles it
      or exists (
        select from drip_core.provider_events as p
        where p.organization_id = v_org and p.enrollment_id = e.id and p.step_id = e.step_id and p.state = 'parked'
          and p.type not in ('failed', 'deferred')
      ));

  if v_held is not null then
    insert into drip_core.held_messages (
      organization_id, enrollment_id, step_id, channel_account_id, claim_token, attempt, merge_values, handed_over_at, held_at
    )
    select v_org, e.id, e.step_id, e.channel_account_id, e.claim_token, e.attempt, e.merge_values, e.handed_over_at, v_at
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (v_held);
    insert into drip_core.events (
      organization_id, occurred_at, recorded_at, type, reason, enrollment_id, contact_id, sequence_id, version, step_id, channel, channel_account_id
    )
    select v_org, v_at, v_at, 'held', 'outcome_unknown', e.id, e.contact_id, e.sequence_id, e.version, e.step_id, s.channel, e.channel_account_id
    from drip_core.enrollments as e
    join drip_core.steps as s on s.organization_id = v_org and s.id = e.step_id
    where e.organization_id = v_org and e.id = any (v_held);
    update drip_core.enrollments as e
    set lease_expires_at = null, next_step_at = null, merge_values = null
    where e.organization_id = v_org and e.id = any (v_held);
    get diagnostics held = row_count;
  end if;

  update drip_core.enrollments as e
  set claim_token = null, lease_expires_at = null, handed_over_at = null, merge_values = null
  where e.organization_id = v_org and e.id = any (_release_claims.enrollment_ids) and e.id <> all (coalesce(v_held, '{}'));
  get diagnostics released = row_count;
end;
$$;

revoke all on function drip_core._release_claims(bigint, bigint[], timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._release_claims(bigint, bigint[], timestamptz) is
'Releases claims that were not handed over and holds those that were; returns how many of each.';
