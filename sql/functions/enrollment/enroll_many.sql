-- requires: functions/internal/_authorize.sql, functions/internal/_audited_ids.sql, functions/internal/_enroll_contacts.sql
-- Enrolls many contacts at once; one row per distinct contact. Locks: see _enroll_contacts. Errors: PT403, PT404, PT422 (over
-- 100,000 contacts). A repeat answers already_active.
create or replace function drip.enroll_many(
  organization_id bigint, sequence_key text, contact_ids bigint[], start_at timestamptz default null, source text default 'bulk'
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
  perform drip_core._authorize(enroll_many.organization_id, 'enroll_many', jsonb_build_object(
    'sequence_key', enroll_many.sequence_key, 'contacts', drip_core._audited_ids(enroll_many.contact_ids)));
  if enroll_many.contact_ids is null or cardinality(enroll_many.contact_ids) > 100000 then
    raise exception 'invalid contact_ids'
      using errcode = 'PT422', detail = format('%s contacts', coalesce(cardinality(enroll_many.contact_ids)::text, 'null')),
        hint = 'Pass an array of at most 100,000 ids; call it in batches for more.';
  end if;
  return query
  select e.contact_id, e.enrollment_id, e.outcome
  from drip_core._enroll_contacts(
    enroll_many.organization_id, enroll_many.sequence_key, enroll_many.contact_ids, '{}', enroll_many.start_at, enroll_many.source) as e;
end;
$$;

revoke all on function drip.enroll_many(bigint, text, bigint[], timestamptz, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.enroll_many(bigint, text, bigint[], timestamptz, text) to drip_app;
comment on function drip.enroll_many(bigint, text, bigint[], timestamptz, text) is
'Enrolls many contacts: one row per distinct contact with enrollment_id and outcome. Errors: PT403, PT404, PT422.';
