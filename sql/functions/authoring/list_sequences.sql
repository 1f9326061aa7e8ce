-- requires: functions/internal/_require_permission.sql
-- The sequences of the organization, by key. Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.list_sequences(organization_id bigint)
returns table (
  sequence_id bigint, sequence_key text, name text, status text, version int, step_count int, channels text[],
  created_at timestamptz, updated_at timestamptz
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._require_permission(list_sequences.organization_id, 'list_sequences');
  return query
  select s.id, s.key, s.name, s.status::text, s.current_version, v.step_count, v.channels::text[], s.created_at, s.updated_at
  from drip_core.sequences as s
  join drip_core.sequence_versions as v
    on v.organization_id = s.organization_id and v.sequence_id = s.id and v.version = s.current_version
  where s.organization_id = list_sequences.organization_id
  order by s.key;
end;
$$;

revoke all on function drip.list_sequences(bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.list_sequences(bigint) to drip_app;
comment on function drip.list_sequences(bigint) is 'The sequences of an organization with status, current version, steps and channels. Errors: PT403, PT404.';
