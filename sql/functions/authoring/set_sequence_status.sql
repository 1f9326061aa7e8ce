-- requires: functions/internal/_authorize.sql, functions/internal/_change_sequence_status.sql
-- Sets the status of a sequence: draft, active, paused or archived (final: open enrollments become exited).
-- Locks: the sequence; for archiving its open enrollments; its queues. Errors: PT403, PT404, PT409, PT422. A repeat changes nothing.
create or replace function drip.set_sequence_status(organization_id bigint, sequence_key text, status text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_id bigint;
begin
  perform drip_core._authorize(set_sequence_status.organization_id, 'set_sequence_status', jsonb_build_object('sequence_key', set_sequence_status.sequence_key, 'status', set_sequence_status.status));
  if set_sequence_status.status is null or not exists (
    select from unnest(enum_range(null::drip.sequence_status)) as s (name) where s.name::text = set_sequence_status.status
  ) then
    raise exception 'unknown sequence status'
      using errcode = 'PT422', detail = format('status: %s', coalesce(left(set_sequence_status.status, 40), 'null')),
        hint = 'Use draft, active, paused or archived.';
  end if;
  v_id := drip_core._sequence_id(set_sequence_status.organization_id, set_sequence_status.sequence_key);
  perform drip_core._change_sequence_status(set_sequence_status.organization_id, v_id, set_sequence_status.status::drip.sequence_status);
end;
$$;

revoke all on function drip.set_sequence_status(bigint, text, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.set_sequence_status(bigint, text, text) to drip_app;
comment on function drip.set_sequence_status(bigint, text, text) is
'Sets a sequence to draft, active, paused (enrollments wait) or archived (final; open enrollments become exited). Errors: PT403, PT404, PT409, PT422.';
