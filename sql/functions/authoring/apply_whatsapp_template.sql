-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_require_known_keys.sql, functions/internal/_text_problem.sql, functions/internal/_template_parts.sql
-- Stores a WhatsApp template as the provider knows it (found by name and language): absent key keeps, null clears.
-- The keys of the values that a step must give are read from the components; a status that is given takes back what a
-- provider's refusal said of the template. Locks: the template's row. Errors: PT403, PT404, PT422. A repeat changes nothing.
create or replace function drip.apply_whatsapp_template(organization_id bigint, template jsonb)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
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
  v_problem text;
begin
  perform drip_core._require_permission(v_org, 'apply_whatsapp_template');
  perform drip_core._require_known_keys(v_new, array['name', 'language', 'category', 'status', 'parameter_format', 'components'], 'template');
  v_problem := coalesce(
    drip_core._text_problem(v_new, array['name'], 512, 'template'),
    drip_core._text_problem(v_new, array['language', 'category', 'status', 'parameter_format'], 100, 'template'),
    case
      when coalesce(v_new ->> 'name', '') !~ '^[a-z0-9_]+$' then
        format('template.name: "%s" is not a name of a-z, 0-9 and _', left(v_new ->> 'name', 40))
      when v_language !~ '^[a-z]{2,3}(_[A-Za-z0-9]{2,4})?$' then
        format('template.language: "%s" is not a language such as en or en_US', left(v_language, 40))
      when v_status not in (
        'approved', 'pending', 'rejected', 'paused', 'disabled', 'in_appeal', 'deleted', 'pending_deletion', 'archived', 'limit_exceeded', 'locked'
      ) then
        format('template.status: "%s" is not a status', left(v_status, 40))
      when v_format not in ('positional', 'named') then
        format('template.parameter_format: "%s" is neither positional nor named', left(v_format, 40))
      when jsonb_typeof(coalesce(nullif(v_new -> 'components', 'null'), '[]')) <> 'array' then 'template.components: a list is needed'
      when octet_length((v_new -> 'components')::text) > 100000 then 'template.components: at most 100,000 bytes'
    end,
    (
      select format('template.components[%s]: an object such as {"type": "BODY", "text": "Hello {{1}}"} is needed', c.ordinal - 1)
      from jsonb_array_elements(
        case when jsonb_typeof(v_new -> 'components') = 'array' then v_new -> 'components' else '[]' end
      ) with ordinality as c (component, ordinal)
      where jsonb_typeof(c.component) <> 'object'
      order by c.ordinal
      limit 1
    ));
  if v_problem is not null then
    raise exception 'invalid template'
      using errcode = 'PT422', detail = v_problem,
        hint = 'Pass name (a-z, 0-9, _), language (such as en or en_US), status (approved, pending, rejected, paused, disabled), parameter_format (positional, named) and components[].';
  end if;

  select coalesce(array_agg(p.key order by p.ordinal) filter (where p.is_required), '{}')
  into v_parameters
  from drip_core._template_parts(nullif(v_new -> 'components', 'null'), v_format)
    with ordinality as p (component_no, key, is_required, component, parameter, problem, ordinal);

  insert into drip_core.whatsapp_templates as t (
    organization_id, name, language, category, status, status_at, parameter_format, components, parameters, created_at, updated_at
  )
  values (
    v_org, v_new ->> 'name', v_language, lower(v_new ->> 'category'), coalesce(v_status, 'pending'), v_now, coalesce(v_format, 'positional'),
    coalesce(nullif(v_new -> 'components', 'null'), '[]'), v_parameters, v_now, v_now
  )
  on conflict on constraint a_template_is_named_once_per_language do update
  set
    category = case when v_new ? 'category' then excluded.category else t.category end,
    status = case when v_new ? 'status' then excluded.status else t.status end,
    status_at = case when v_new ? 'status' then excluded.status_at else t.status_at end,
    unavailable_until = case when v_new ? 'status' then null else t.unavailable_until end,
    unavailable_detail = case when v_new ? 'status' then null else t.unavailable_detail end,
    parameter_format = case when v_new ? 'parameter_format' then excluded.parameter_format else t.parameter_format end,
    components = case when v_new ? 'components' then excluded.components else t.components end,
    parameters = case when v_new ? 'components' then excluded.parameters else t.parameters end,
    updated_at = excluded.updated_at
  returning t.id into v_id;
  perform drip_core._audit(
    v_org, 'apply_whatsapp_template', jsonb_build_object('template_id', v_id, 'name', v_new ->> 'name', 'language', v_language));
  return v_id;
end;
$$;

revoke all on function drip.apply_whatsapp_template(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.apply_whatsapp_template(bigint, jsonb) to drip_app;
comment on function drip.apply_whatsapp_template(bigint, jsonb) is
'Stores a WhatsApp template (name, language, category, status, parameter_format, components) and returns its id. Errors: PT403, PT404, PT422.';
