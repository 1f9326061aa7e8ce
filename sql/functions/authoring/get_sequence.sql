-- requires: functions/internal/_require_permission.sql, functions/internal/_sequence_id.sql
-- The definition of a version (default: the current one), fit for drip.apply_sequence. A draft says so.
-- Locks: none. Errors: PT403, PT404. Harmless to repeat.
create or replace function drip.get_sequence(organization_id bigint, sequence_key text, version int default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_id bigint;
  v_definition jsonb;
begin
  perform drip_core._require_permission(get_sequence.organization_id, 'get_sequence');
  v_id := drip_core._sequence_id(get_sequence.organization_id, get_sequence.sequence_key);
  select v.definition || case when s.status = 'draft' then '{"status": "draft"}' else '{}' end::jsonb
  into v_definition
  from drip_core.sequences as s
  join drip_core.sequence_versions as v on v.organization_id = s.organization_id and v.sequence_id = s.id
  where s.organization_id = get_sequence.organization_id and s.id = v_id
    and v.version = coalesce(get_sequence.version, s.current_version);
  if v_definition is null then
    raise exception 'version not found'
      using errcode = 'PT404', detail = format('sequence_key: %s, version: %s', get_sequence.sequence_key, get_sequence.version),
        hint = 'drip.list_sequences shows the current version.';
  end if;
  return v_definition;
end;
$$;

revoke all on function drip.get_sequence(bigint, text, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.get_sequence(bigint, text, int) to drip_app;
comment on function drip.get_sequence(bigint, text, int) is
'The definition of a version of a sequence (default: current); round-trips through drip.apply_sequence. Errors: PT403, PT404.';
