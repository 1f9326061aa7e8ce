-- requires: functions/internal/_require_permission.sql
-- The events of an enrollment, oldest first. Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.enrollment_history(organization_id bigint, enrollment_id bigint)
returns table (
  event_id bigint, occurred_at timestamptz, recorded_at timestamptz, type text, reason text, step_key text, channel text,
  channel_account_key text, actor_profile_id uuid, data jsonb
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
begin
  perform drip_core._require_permission(enrollment_history.organization_id, 'enrollment_history');
  perform drip_core._require_enrollment(enrollment_history.organization_id, enrollment_history.enrollment_id);
  return query
  select ev.id, ev.occurred_at, ev.recorded_at, ev.type::text, ev.reason::text, s.key, ev.channel::text, a.key, ev.actor_profile_id, ev.data
  from drip_core.events as ev
  left join drip_core.steps as s on s.organization_id = ev.organization_id and s.id = ev.step_id
  left join drip_core.channel_accounts as a on a.organization_id = ev.organization_id and a.id = ev.channel_account_id
  where ev.organization_id = enrollment_history.organization_id and ev.enrollment_id = enrollment_history.enrollment_id
  order by ev.occurred_at, ev.id;
end;
$$;

revoke all on function drip.enrollment_history(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.enrollment_history(bigint, bigint) to drip_app;
comment on function drip.enrollment_history(bigint, bigint) is 'The events of an enrollment, oldest first. Errors: PT403, PT404.';
