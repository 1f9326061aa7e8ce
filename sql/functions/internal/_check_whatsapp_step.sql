-- requires: functions/internal/_parse_template.sql, functions/internal/_template_parts.sql, functions/internal/_nearest_word.sql
-- Problems of a step of the channel whatsapp_cloud: of its template (there, approved, in its language, every value mapped and
-- none that it does not ask for, none that can be empty), or of the free text that it has instead.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._check_whatsapp_step(organization_id bigint, step jsonb, step_path text)
returns table (path text, code text, message text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_org constant bigint := _check_whatsapp_step.organization_id;
  v_step constant jsonb := _check_whatsapp_step.step;
  v_path constant text := _check_whatsapp_step.step_path;
  v_language constant text := coalesce(_check_whatsapp_step.step ->> 'language', 'en');
  v_given constant jsonb := coalesce(_check_whatsapp_step.step -> 'parameters', '{}');
  v_template record;
begin
  if v_step ? 'text' and not v_step ? 'template' then
    if btrim(coalesce(v_step ->> 'text', '')) = '' or length(v_step ->> 'text') > 4096 then
      return query select v_path || '.text', 'invalid', 'a free text has 1 to 4096 characters';
    end if;
    if v_step ? 'outside_session' and coalesce(v_step ->> 'outside_session', '') not in ('wait', 'skip') then
      return query select v_path || '.outside_session', 'invalid', format('"%s" is not a policy; use wait or skip', left(v_step ->> 'outside_session', 40));
    end if;
    return query
    select v_path || '.' || k.key, 'invalid', format('"%s" belongs to a template; a free text has none', k.key)
    from unnest(array['language', 'parameters']) as k (key)
    where v_step ? k.key;
    return;
  end if;

  if btrim(coalesce(v_step ->> 'template', '')) = '' then
    return query select v_path || '.template', 'required', 'a WhatsApp Cloud step needs the name of a template, or a text';
  end if;
  return query
  select v_path || '.' || k.key, 'invalid', format('"%s" belongs to a step without template', k.key)
  from unnest(array['text', 'outside_session']) as k (key)
  where v_step ? k.key;
  select t.status, t.components, t.parameter_format
  into v_template
  from drip_core.whatsapp_templates as t
  where t.organization_id = v_org and t.name = v_step ->> 'template' and t.language = v_language;
  if not found then
    return query select v_path || '.template', 'template_unavailable', format(
      'there is no template "%s" in language "%s"; store it with drip.apply_whatsapp_template or pgdrip whatsapp sync',
      left(v_step ->> 'template', 100), v_language);
    return;
  end if;
  if v_template.status <> 'approved' then
    return query select v_path || '.template', 'template_unavailable', format('the template is %s, not approved', v_template.status);
  end if;
  if jsonb_typeof(v_given) <> 'object' then
    return query select v_path || '.parameters', 'invalid', 'parameters is an object from placeholder to text';
    return;
  end if;

  return query
  select v_path || '.template', 'template_unsupported', format('the template has %s, which pgdrip cannot fill', u.problem)
  from drip_core._template_parts(v_template.components, v_template.parameter_format) as u
  where u.problem is not null;
  return query
  select v_path || '.parameters', 'missing_parameter', format('the placeholder {{%s}} of the template has no value', u.key)
  from drip_core._template_parts(v_template.components, v_template.parameter_format) as u
  where u.is_required and not v_given ? u.key;
  return query
  select
    v_path || '.parameters.' || left(k.key, 40), 'unknown_parameter',
    format('the template has no placeholder {{%s}}', left(k.key, 40))
    || coalesce(format('; did you mean "%s"?', drip_core._nearest_word(k.key, p.keys)), '')
  from (
    select coalesce(array_agg(u.key) filter (where u.key is not null), '{}') as keys
    from drip_core._template_parts(v_template.components, v_template.parameter_format) as u
  ) as p
  cross join jsonb_object_keys(v_given) as k (key)
  where k.key <> all (p.keys);
  return query
  select v_path || '.parameters.' || left(e.key, 40), 'invalid', 'a value is a text'
  from jsonb_each(v_given) as e
  where jsonb_typeof(e.value) not in ('string', 'number', 'boolean');
  -- one that can turn out empty is refused by the API, message by message
  return query
  select v_path || '.parameters.' || left(e.key, 40), 'empty_parameter', 'the value can be empty, which WhatsApp refuses; give its merge field a default'
  from jsonb_each_text(v_given) as e
  where not exists (
    select from drip_core._parse_template(e.value) as t
    where t.problem is not null or t.literal ~ '\S' or (t.field_path is not null and (t.field_default is null or t.field_default ~ '\S'))
  );
end;
$$;

revoke all on function drip_core._check_whatsapp_step(bigint, jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._check_whatsapp_step(bigint, jsonb, text) is 'Problems of a WhatsApp Cloud step: of its template and its values, or of its free text.';
