-- requires: functions/internal/_authorize.sql, functions/internal/_enroll_contacts.sql
-- Enrolls one contact; the answer is typed, not an error. Locks: see _enroll_contacts. Errors: PT403, PT404 (organization,
-- sequence, deal), PT422 (a deal of somebody else). A repeat answers already_active with the existing enrollment.
create or replace function drip.enroll(
  organization_id bigint, sequence_key text, contact_id bigint, deal_id bigint default null, start_at timestamptz default null,
  source text default 'api'
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
  perform drip_core._authorize(enroll.organization_id, 'enroll', jsonb_build_object(
    'sequence_key', enroll.sequence_key, 'contact_id', enroll.contact_id, 'deal_id', enroll.deal_id));
  if enroll.contact_id is null then
    raise exception 'a contact is needed'
      using errcode = 'PT422', detail = 'contact_id is null', hint = 'Pass the id that drip.upsert_contact returned.';
  end if;
  if enroll.deal_id is not null and not exists (
    select from drip_core.deals as d
    where d.organization_id = enroll.organization_id and d.id = enroll.deal_id and d.contact_id = enroll.contact_id
  ) then
    raise exception 'deal not found'
      using errcode = 'PT404', detail = format('deal_id: %s, contact_id: %s', enroll.deal_id, enroll.contact_id),
        hint = 'Pass a deal of this contact.';
  end if;
  return query
  select e.contact_id, e.enrollment_id, e.outcome
  from drip_core._enroll_contacts(
    enroll.organization_id, enroll.sequence_key, array[enroll.contact_id], array[enroll.deal_id], enroll.start_at, enroll.source) as e;
end;
$$;

revoke all on function drip.enroll(bigint, text, bigint, bigint, timestamptz, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.enroll(bigint, text, bigint, bigint, timestamptz, text) to drip_app;
comment on function drip.enroll(bigint, text, bigint, bigint, timestamptz, text) is
'Enrolls a contact; outcome says what happened, enrollment_id is the new or (already_active) the existing one. Errors: PT403, PT404, PT422.';
