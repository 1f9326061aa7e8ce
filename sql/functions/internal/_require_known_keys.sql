-- requires: functions/internal/_unknown_keys.sql, functions/internal/_list_problems.sql
-- Refuses a JSON argument that is no object or has a key that is not known.
-- Locks: none. Errors: PT422. Harmless to repeat.
create or replace function drip_core._require_known_keys(object jsonb, known text[], argument text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_problem text;
begin
  if _require_known_keys.object is null or jsonb_typeof(_require_known_keys.object) <> 'object' then
    raise exception 'invalid %', _require_known_keys.argument
      using errcode = 'PT422', detail = format('%s: a JSON object is needed', _require_known_keys.argument),
        hint = 'Known keys: ' || array_to_string(_require_known_keys.known, ', ');
  end if;
  select drip_core._list_problems(array_agg(p.path || ': ' || p.message order by p.path), '; ')
  into v_problem
  from drip_core._unknown_keys(_require_known_keys.object, _require_known_keys.known, _require_known_keys.argument) as p;
  if v_problem is not null then
    raise exception 'invalid %', _require_known_keys.argument
      using errcode = 'PT422', detail = v_problem,
        hint = 'Known keys: ' || array_to_string(_require_known_keys.known, ', ');
  end if;
end;
$$;

revoke all on function drip_core._require_known_keys(jsonb, text[], text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._require_known_keys(jsonb, text[], text) is 'Raises PT422 for a JSON argument that is no object or has unknown keys.';
