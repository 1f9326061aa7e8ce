-- requires: functions/internal/_require_permission.sql, functions/internal/_sequence_id.sql
-- Enrollments by id, newest last, in pages: `after` is the last id seen. Locks: none. Errors: PT403, PT404, PT422. Harmless to repeat.
create or replace function drip.list_enrollments(
  organization_id bigint, sequence_key text default null, contact_id bigint default null, status text default null,
  after bigint default null, "limit" int default 100
)
returns setof drip.enrollment_row
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_sequence bigint;
begin
  perform drip_core._require_permission(list_enrollments.organization_id, 'list_enrollments');
  if list_enrollments.status is not null and not exists (
    select from unnest(enum_range(null::drip.enrollment_status)) as s (name) where s.name::text = list_enrollments.status
  ) then
    raise exception 'unknown enrollment status'
      using errcode = 'PT422', detail = format('status: %s', left(list_enrollments.status, 40)),
        hint = 'Use one of ' || array_to_string(enum_range(null::drip.enrollment_status), ', ') || '.';
  end if;
  if list_enrollments."limit" is null or list_enrollments."limit" not between 1 and 10000 then
    raise exception 'invalid limit'
      using errcode = 'PT422', detail = format('limit: %s', coalesce(list_enrollments."limit"::text, 'null')), hint = 'Use 1 to 10000.';
  end if;
  if list_enrollments.sequence_key is not null then
    v_sequence := drip_core._sequence_id(list_enrollments.organization_id, list_enrollments.sequence_key);
  end if;
  return query
  select
    e.id, s.key, e.version, e.contact_id, e.deal_id, e.entry_no, e.status::text, e.status_reason::text, st.key, e.next_step_at,
    e.attempt::int, a.key, e.source, e.enrolled_at, e.status_changed_at
  from drip_core.enrollments as e
  join drip_core.sequences as s on s.organization_id = e.organization_id and s.id = e.sequence_id
  left join drip_core.steps as st on st.organization_id = e.organization_id and st.id = e.step_id
  left join drip_core.channel_accounts as a on a.organization_id = e.organization_id and a.id = e.channel_account_id
  where e.organization_id = list_enrollments.organization_id
    and (v_sequence is null or e.sequence_id = v_sequence)
    and (list_enrollments.contact_id is null or e.contact_id = list_enrollments.contact_id)
    and (list_enrollments.status is null or e.status = list_enrollments.status::drip.enrollment_status)
    and (list_enrollments.after is null or e.id > list_enrollments.after)
  order by e.id
  limit list_enrollments."limit";
end;
$$;

revoke all on function drip.list_enrollments(bigint, text, bigint, text, bigint, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.list_enrollments(bigint, text, bigint, text, bigint, int) to drip_app;
comment on function drip.list_enrollments(bigint, text, bigint, text, bigint, int) is
'Enrollments by id, filtered by sequence, contact and status, in pages (after = last id seen). Errors: PT403, PT404, PT422.';
