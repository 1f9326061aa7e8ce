-- requires: functions/authoring/apply_whatsapp_template.sql, functions/internal/_require_permission.sql, functions/internal/_audit.sql
-- Brings the templates that a provider lists into force, each for itself. Where the list is whole, those that it does not name
-- are deleted there: their steps wait.
-- Locks: as apply_whatsapp_template for each. Errors: PT403, PT404, PT422 (no array). A repeat changes nothing.
create or replace function drip.sync_whatsapp_templates(organization_id bigint, templates jsonb, is_complete boolean default true)
returns table (name text, language text, status text, outcome text, detail text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := sync_whatsapp_templates.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_item jsonb;
  v_old record;
begin
  perform drip_core._require_permission(v_org, 'sync_whatsapp_templates');
  if sync_whatsapp_templates.templates is null or jsonb_typeof(sync_whatsapp_templates.templates) <> 'array' then
    raise exception 'invalid templates'
      using errcode = 'PT422', detail = 'templates: a JSON array is needed', hint = 'Pass the templates as the provider lists them.';
  end if;
  for v_item in
    select t.value
    from jsonb_array_elements(sync_whatsapp_templates.templates) as t
    order by t.value ->> 'name', t.value ->> 'language'
  loop
    name := left(v_item ->> 'name', 512);
    language := coalesce(v_item ->> 'language', 'en');
    status := lower(v_item ->> 'status');
    detail := null;
    select t.status, t.components, t.category, t.parameter_format
    into v_old
    from drip_core.whatsapp_templates as t
    where t.organization_id = v_org and t.name = v_item ->> 'name' and t.language = coalesce(v_item ->> 'language', 'en');
    begin
      perform drip.apply_whatsapp_template(v_org, v_item);
      outcome := case
        when v_old.status is null then 'added'
        when v_old.status <> lower(v_item ->> 'status') then v_old.status || ' before'
        when v_old.components is distinct from v_item -> 'components' then 'changed'
        else 'unchanged'
      end;
    exception
      when sqlstate 'PT422' then
        get stacked diagnostics detail = pg_exception_detail;
        outcome := 'invalid';
    end;
    return next;
  end loop;
  if sync_whatsapp_templates.is_complete then
    return query
    update drip_core.whatsapp_templates as t
    set status = 'deleted', status_at = v_now, updated_at = v_now
    where t.organization_id = v_org and t.status <> 'deleted'
      and not exists (
        select from jsonb_array_elements(sync_whatsapp_templates.templates) as n
        where n.value ->> 'name' = t.name and coalesce(n.value ->> 'language', 'en') = t.language
      )
    returning t.name, t.language, t.status, 'not listed any more'::text, null::text;
  end if;
  perform drip_core._audit(v_org, 'sync_whatsapp_templates', jsonb_build_object(
    'templates', jsonb_array_length(sync_whatsapp_templates.templates), 'is_complete', sync_whatsapp_templates.is_complete));
end;
$$;

revoke all on function drip.sync_whatsapp_templates(bigint, jsonb, boolean) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.sync_whatsapp_templates(bigint, jsonb, boolean) to drip_app;
comment on function drip.sync_whatsapp_templates(bigint, jsonb, boolean) is
'Brings the templates that a provider lists into force; those that a whole list does not name are deleted. One row each: name, language, status, outcome (added, changed, unchanged, … before, invalid, not listed any more), detail. Errors: PT403, PT404, PT422.';
