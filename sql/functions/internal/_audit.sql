-- requires: functions/internal/current_profile.sql
-- Writes who called an API function about what into the audit trail, in the transaction of the call. The arguments are ids,
-- keys and counts, never names, addresses or words of people: what is written here is never erased. Nulls are left out; of a key
-- that nothing ever had, as long as somebody may send it, the beginning is kept.
-- Locks: none. Errors: none. Each call is an entry.
create or replace function drip_core._audit(organization_id bigint, function_name text, arguments jsonb default '{}')
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_arguments jsonb := jsonb_strip_nulls(_audit.arguments);
begin
  if octet_length(v_arguments::text) > 8000 then
    v_arguments := (
      select jsonb_object_agg(a.key, case jsonb_typeof(a.value)
        when 'string' then to_jsonb(left(a.value #>> '{}', 100))
        when 'array' then to_jsonb(array(
          select left(i.value, 100) from jsonb_array_elements_text(a.value) with ordinality as i (value, place)
          order by i.place limit 20
        ))
        else a.value
      end)
      from jsonb_each(v_arguments) as a
    );
  end if;
  insert into drip_core.audit_entries (organization_id, occurred_at, function_name, login, profile_id, arguments)
  values (_audit.organization_id, drip_core.now(), _audit.function_name, session_user, drip_core.current_profile(), v_arguments);
end;
$$;

revoke all on function drip_core._audit(bigint, text, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._audit(bigint, text, jsonb) is 'Writes who called an API function about what into the audit trail.';
