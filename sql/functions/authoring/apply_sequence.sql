-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_check_definition.sql, functions/internal/_list_problems.sql, functions/internal/_publish_version.sql, functions/internal/_change_sequence_status.sql
-- Publishes a sequence definition. The same content is the same version; a change is a new one, for new enrollments.
-- Locks: the sequence's row. Errors: PT403, PT404, PT422 (the problems in DETAIL). A repeat changes nothing.
create or replace function drip.apply_sequence(organization_id bigint, definition jsonb)
returns table (sequence_id bigint, version int, status text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := apply_sequence.organization_id;
  v_content constant jsonb := case when jsonb_typeof(apply_sequence.definition) = 'object' then jsonb_strip_nulls(apply_sequence.definition) - 'status' end;
  v_wanted constant text := apply_sequence.definition ->> 'status';
  v_now constant timestamptz := drip_core.now();
  v_hash bytea;
  v_problems text;
  v_sequence drip_core.sequences;
  v_name text;
begin
  perform drip_core._require_permission(v_org, 'apply_sequence');
  select drip_core._list_problems(array_agg(concat_ws(': ', nullif(p.path, ''), p.message)), e'\n')
  into v_problems
  from drip_core._check_definition(v_org, apply_sequence.definition) as p;
  if v_problems is not null then
    raise exception 'invalid sequence definition'
      using errcode = 'PT422', detail = v_problems, hint = 'drip.validate_sequence lists all problems with path and code.';
  end if;
  -- with the number of the way in which definitions are compiled: what is applied again after a change is published anew
  -- (2: emails have a footer)
  v_hash := sha256(convert_to(v_content::text || '#2', 'UTF8'));
  v_name := coalesce(nullif(btrim(v_content ->> 'name'), ''), v_content ->> 'key');

  -- two first publications of one key at once: the second waits here and then finds the row
  insert into drip_core.sequences (organization_id, key, name, status, current_version, created_at, updated_at)
  values (v_org, v_content ->> 'key', v_name, coalesce(v_wanted, 'active')::drip.sequence_status, 1, v_now, v_now)
  on conflict on constraint a_sequence_key_names_one_sequence do nothing
  returning * into v_sequence;

  if v_sequence.id is not null then
    perform drip_core._publish_version(v_org, v_sequence.id, 1, v_content, v_hash);
  else
    select s.*
    into v_sequence
    from drip_core.sequences as s
    where s.organization_id = v_org and s.key = v_content ->> 'key'
    for no key update;
    if not exists (
      select from drip_core.sequence_versions as sv
      where sv.organization_id = v_org and sv.sequence_id = v_sequence.id
        and sv.version = v_sequence.current_version and sv.content_hash = v_hash
    ) then
      select max(sv.version) + 1
      into v_sequence.current_version
      from drip_core.sequence_versions as sv
      where sv.organization_id = v_org and sv.sequence_id = v_sequence.id;
      perform drip_core._publish_version(v_org, v_sequence.id, v_sequence.current_version, v_content, v_hash);
      update drip_core.sequences as s
      set current_version = v_sequence.current_version, name = v_name, updated_at = v_now
      where s.organization_id = v_org and s.id = v_sequence.id;
    end if;
    if v_wanted is not null and v_wanted <> v_sequence.status::text then
      perform drip_core._change_sequence_status(v_org, v_sequence.id, v_wanted::drip.sequence_status);
      v_sequence.status := v_wanted::drip.sequence_status;
    end if;
  end if;
  perform drip_core._audit(v_org, 'apply_sequence', jsonb_build_object(
    'sequence_key', v_sequence.key, 'version', v_sequence.current_version, 'status', v_sequence.status));
  return query select v_sequence.id, v_sequence.current_version, v_sequence.status::text;
end;
$$;

revoke all on function drip.apply_sequence(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.apply_sequence(bigint, jsonb) to drip_app;
comment on function drip.apply_sequence(bigint, jsonb) is
'Publishes a sequence definition and returns sequence_id, version, status; the same content is the same version. Errors: PT403, PT404, PT422 (the problems in DETAIL).';
