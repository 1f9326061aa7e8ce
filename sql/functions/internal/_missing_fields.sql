-- owner: drip_engine
-- requires: functions/internal/_fixed_values.sql, functions/internal/_merge_values.sql
-- The merge fields of an enrollment's step that have neither value nor default; none: it can be rendered.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._missing_fields(enrollment drip_core.enrollments)
returns text[]
language sql
stable
begin atomic
  select
    array(
      select f.path
      from unnest(s.field_paths, drip_core._merge_values(
          s.field_paths, s.field_defaults, drip_core._fixed_values(s.field_paths, o), c, d, a.key, a.address, a.display_name, 'https://example.com'
        )) as f (path, value)
      where f.value is null
    )
  from drip_core.steps as s
  inner join drip_core.contacts as c on s.organization_id = c.organization_id and c.id = (_missing_fields.enrollment).contact_id
  inner join drip_core.organizations as o on s.organization_id = o.id
  left join drip_core.deals as d on s.organization_id = d.organization_id and d.id = (_missing_fields.enrollment).deal_id
  left join drip_core.channel_accounts as a on s.organization_id = a.organization_id and a.id = (_missing_fields.enrollment).channel_account_id
  where s.organization_id = (_missing_fields.enrollment).organization_id and s.id = (_missing_fields.enrollment).step_id;
end;

revoke all on function drip_core._missing_fields(drip_core.enrollments) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._missing_fields(drip_core.enrollments) is 'The merge fields of an enrollment''s step that have no value.';
