-- owner: drip_engine
-- Writes down that what a campaign makes of a write failed: for the operator (drip_report.reaction_failures), for the claim,
-- which sends nothing to the contact that it would have kept back, and for drip.tick, which tries again. Cannot fail itself:
-- where even this does not work, it says so in the log of the server. As the engine, whoever wrote: it must land.
-- Locks: none. Errors: none. Once per failed attempt.
create or replace function drip_core._note_failure(
  organization_id bigint, kind drip.fact_kind, fact_id bigint, contact_id bigint, enrollment_id bigint, channel drip.channel, reason drip.reason,
  subject jsonb, occurred_at timestamptz, error_code text, error_message text
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  insert into drip_core.reaction_failures (
    organization_id, kind, fact_id, contact_id, enrollment_id, channel, reason, subject, occurred_at, failed_at, error_code, error_message, next_try_at
  )
  values (
    _note_failure.organization_id, _note_failure.kind, _note_failure.fact_id, _note_failure.contact_id, _note_failure.enrollment_id,
    _note_failure.channel, _note_failure.reason, coalesce(_note_failure.subject, '{}'), _note_failure.occurred_at, drip_core.now(),
    _note_failure.error_code, left(_note_failure.error_message, 500), drip_core.now() + interval '10 seconds'
  );
exception
  when others then
    raise warning 'pgdrip: a failed reaction could not be written down: % of organization %, % (%)',
      _note_failure.kind, _note_failure.organization_id, sqlerrm, sqlstate;
end;
$$;

revoke all on function drip_core._note_failure(
  bigint, drip.fact_kind, bigint, bigint, bigint, drip.channel, drip.reason, jsonb, timestamptz, text, text
) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._note_failure(
  bigint, drip.fact_kind, bigint, bigint, bigint, drip.channel, drip.reason, jsonb, timestamptz, text, text
) to drip_owner;
comment on function drip_core._note_failure(bigint, drip.fact_kind, bigint, bigint, bigint, drip.channel, drip.reason, jsonb, timestamptz, text, text) is
'Writes down that what a campaign makes of a write failed; never fails itself.';
