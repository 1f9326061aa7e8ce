-- owner: drip_engine
-- requires: functions/internal/_require_lane.sql, functions/internal/_audit.sql, functions/internal/_settle_messages.sql
-- Settles a held message by hand: 'sent' (it did arrive), 'retry' (send it again; counts an attempt) or 'rejected' (give it up).
-- Locks: the enrollment, then its lane. Errors: PT403, PT404, PT409 (not held under this token), PT422. A repeat is PT409.
create or replace function drip.resolve_unknown(organization_id bigint, enrollment_id bigint, claim_token bigint, outcome text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_held drip_core.held_messages;
  v_answers drip_core.disposition[];
begin
  select h.*
  into v_held
  from drip_core.held_messages as h
  where h.organization_id = resolve_unknown.organization_id and h.enrollment_id = resolve_unknown.enrollment_id;
  perform drip_core._require_lane(resolve_unknown.organization_id, coalesce(v_held.channel_account_id, (
    select e.channel_account_id from drip_core.enrollments as e
    where e.organization_id = resolve_unknown.organization_id and e.id = resolve_unknown.enrollment_id
  )), 'resolve_unknown');
  if resolve_unknown.outcome is null or resolve_unknown.outcome not in ('sent', 'retry', 'rejected') then
    raise exception 'unknown outcome'
      using errcode = 'PT422', detail = format('outcome: %s', coalesce(left(resolve_unknown.outcome, 40), 'null')), hint = 'Use sent, retry or rejected.';
  end if;
  perform drip_core._audit(
    resolve_unknown.organization_id, 'resolve_unknown',
    jsonb_build_object('enrollment_id', resolve_unknown.enrollment_id, 'outcome', resolve_unknown.outcome));
  v_answers := drip_core._settle_messages(resolve_unknown.organization_id, array[row(
    1, resolve_unknown.organization_id, resolve_unknown.enrollment_id, resolve_unknown.claim_token,
    resolve_unknown.outcome::drip.send_outcome, null, v_held.handed_over_at, null, null, 'resolved by hand', null
  )::drip_core.provider_result]);
  if v_held.claim_token is distinct from resolve_unknown.claim_token or cardinality(v_answers) = 0 then
    raise exception 'the message is not held under this claim'
      using errcode = 'PT409', detail = format('enrollment_id: %s, claim_token: %s', resolve_unknown.enrollment_id, resolve_unknown.claim_token),
        hint = 'drip_report.unknown_outcomes lists what is held.';
  end if;
  return v_answers[1].disposition;
end;
$$;

revoke all on function drip.resolve_unknown(bigint, bigint, bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.resolve_unknown(bigint, bigint, bigint, text) to drip_app, drip_runner;
comment on function drip.resolve_unknown(bigint, bigint, bigint, text) is
'Settles a held message by hand as sent, retry or rejected; returns the disposition. Errors: PT403, PT404, PT409, PT422.';
