-- requires: functions/internal/_authorize.sql, functions/internal/_enroll_contacts.sql
-- Enrolls every contact that has a tag now. Locks: see _enroll_contacts. Errors: PT403, PT404, PT422. A repeat enrolls who was
-- tagged since.
create or replace function drip.enroll_tagged(
  organization_id bigint, sequence_key text, tag text, start_at timestamptz default null, source text default 'tag'
)
returns setof drip.enroll_result
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
begin
  perform drip_core._authorize(enroll_tagged.organization_id, 'enroll_tagged', jsonb_build_object('sequence_key', enroll_tagged.sequence_key));
  if btrim(coalesce(enroll_tagged.tag, '')) = '' then
    raise exception 'a tag is needed'
      using errcode = 'PT422', detail = 'tag is blank', hint = 'Pass the tag whose contacts are to be enrolled.';
  end if;
  return query
  select e.contact_id, e.enrollment_id, e.outcome
  from drip_core._enroll_contacts(enroll_tagged.organization_id, enroll_tagged.sequence_key, array(
    select t.contact_id
    from drip_core.contact_tags as t
    where t.organization_id = enroll_tagged.organization_id and t.tag = btrim(enroll_tagged.tag)
    order by t.contact_id
  ), '{}', enroll_tagged.start_at, enroll_tagged.source) as e;
end;
$$;

revoke all on function drip.enroll_tagged(bigint, text, text, timestamptz, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.enroll_tagged(bigint, text, text, timestamptz, text) to drip_app;
comment on function drip.enroll_tagged(bigint, text, text, timestamptz, text) is
'Enrolls every contact with a tag: one row per contact with enrollment_id and outcome. Errors: PT403, PT404, PT422.';
