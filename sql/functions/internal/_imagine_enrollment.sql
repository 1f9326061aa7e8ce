-- owner: drip_engine
-- An enrollment that is not stored, at a step, for _check_imagined: what is previewed and tested is judged and filled in by
-- the code of the claim. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._imagine_enrollment(
  step drip_core.steps, id bigint, contact_id bigint, channel_account_id bigint, deal_id bigint, enrolled_at timestamptz
)
returns drip_core.enrollments
language sql
stable
return jsonb_populate_record(
  null::drip_core.enrollments,
  jsonb_build_object(
    'organization_id', (step).organization_id, 'id', id, 'sequence_id', (step).sequence_id, 'version', (step).version,
    'contact_id', contact_id, 'deal_id', deal_id, 'entry_no', 1, 'status', 'active', 'step_id', (step).id,
    'channel_account_id', channel_account_id, 'attempt', 0, 'enrolled_at', enrolled_at
  )
);

revoke all on function drip_core._imagine_enrollment(drip_core.steps, bigint, bigint, bigint, bigint, timestamptz) from public,
drip_app,
drip_runner,
drip_public,
drip_analyst;
comment on function drip_core._imagine_enrollment(drip_core.steps, bigint, bigint, bigint, bigint, timestamptz) is
'An enrollment that is not stored, at a step.';
