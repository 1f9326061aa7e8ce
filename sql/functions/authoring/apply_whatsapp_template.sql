-- requires: functions/internal/_require_organization.sql, functions/internal/_require_known_keys.sql
-- Stores a WhatsApp template as the provider knows it (found by name and language): absent key keeps, null clears.
-- The placeholders are read from the components. Locks: the template's row. Errors: PT404, PT422. A repeat changes nothing.
create or replace function drip.apply_whatsapp_template(organization_id bigint, template jsonb)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := apply_whatsapp_template.organization_id;
  v_new constant jsonb := apply_whatsapp_template.template;
  v_now constant timestamptz := drip_core.now();
  v_language constant text := coalesce(v_new ->> 'language', 'en');
  v_status constant text := lower(v_new ->> 'status');
  v_format constant text := lower(v_new ->> 'parameter_format');
  v_parameters text[];
  v_id bigint;
begin
  perform drip_core._require_organization(v_org);
  perform drip_core._require_known_keys(v_new, array['name', 'language', 'category', 'status', 'parameter_format', 'components'], 'template');
  if coalesce(v_new ->> 'name', '') !~ '^[a-z0-9_]+$'
    or length(v_new ->> 'name') > 512
    or v_language !~ '^[a-z]{2,3}(_[A-Z]{2})?$'
    or v_status not in ('approved', 'pending', 'rejected', 'paused', 'disabled', 'in_appeal', 'deleted')
    or v_format not in ('positional', 'named')
    or jsonb_typeof(coalesce(nullif(v_new -> 'components', 'null'), '[]')) <> 'array'
  then
    raise exception 'invalid template'
      using errcode = 'PT422',
        detail = format('name: %s, language: %s, status: %s, parameter_format: %s', coalesce(left(v_new ->> 'name', 100), 'null'), left(v_language, 40),
          coalesce(left(v_new ->> 'status', 40), 'null'), coalesce(left(v_new ->> 'parameter_format', 40), 'null')),
        hint = 'Pass name (a-z, 0-9, _), language (such as en or en_US), status (approved, pending, rejected, paused, disabled), parameter_format (positional, named) and components[].';
  end if;

  select coalesce(array_agg(p.name order by p.first_at), '{}')
  into v_parameters
  from (
    select m.match[1] as name, min(m.ordinal) as first_at
    from jsonb_array_elements(coalesce(nullif(v_new -> 'components', 'null'), '[]')) with ordinality as c (component, position)
    cross join lateral regexp_matches(c.component ->> 'text', '\{\{\s*([A-Za-z0-9_]+)\s*\}\}', 'g') with ordinality as m (match, ordinal)
    group by m.match[1]
  ) as p;

  insert into drip_core.whatsapp_templates as t (
    organization_id, name, language, category, status, parameter_format, components, parameters, created_at, updated_at
  )
  values (
    v_org, v_new ->> 'name', v_language, lower(v_new ->> 'category'), coalesce(v_status, 'pending'), coalesce(v_format, 'positional'),
    coalesce(nullif(v_new -> 'components', 'null'), '[]'), v_parameters, v_now, v_now
  )
  on conflict on constraint a_template_is_named_once_per_language do update
  set
    category = case when v_new ? 'category' then excluded.category else t.category end,
    status = case when v_new ? 'status' then excluded.status else t.status end,
    parameter_format = case when v_new ? 'parameter_format' then excluded.parameter_format else t.parameter_format end,
    components = case when v_new ? 'components' then excluded.components else t.components end,
    parameters = case when v_new ? 'components' then excluded.parameters else t.parameters end,
    updated_at = excluded.updated_at
  returning t.id into v_id;
  return v_id;
end;
$$;

revoke all on function drip.apply_whatsapp_template(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.apply_whatsapp_template(bigint, jsonb) to drip_app;
comment on function drip.apply_whatsapp_template(bigint, jsonb) is
'Stores a WhatsApp template (name, language, category, status, parameter_format, components) and returns its id. Errors: PT404, PT422.';
