-- requires: functions/internal/_require_permission.sql
-- The tests of the last thirty days, newest first, or the one with an id: what became of each.
-- Locks: none. Errors: PT403, PT404, PT422. Harmless to repeat.
create or replace function drip.list_tests(organization_id bigint, test_id uuid default null, "limit" int default 100)
returns setof drip.test_row
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
begin
  perform drip_core._require_permission(list_tests.organization_id, 'list_tests');
  if list_tests."limit" is null or list_tests."limit" not between 1 and 10000 then
    raise exception 'invalid limit'
      using errcode = 'PT422', detail = format('limit: %s', coalesce(list_tests."limit"::text, 'null')), hint = 'Use 1 to 10000.';
  end if;
  return query
  select
    t.test_id, t.created_at, q.key, s.key, t.contact_id, a.key, t.to_profile_id, t.status::text, t.attempt::int, t.settled_at, t.error_code,
    t.error_message
  from drip_core.test_messages as t
  join drip_core.sequences as q on q.organization_id = t.organization_id and q.id = t.sequence_id
  join drip_core.steps as s on s.organization_id = t.organization_id and s.id = t.step_id
  join drip_core.channel_accounts as a on a.organization_id = t.organization_id and a.id = t.channel_account_id
  where t.organization_id = list_tests.organization_id and (list_tests.test_id is null or t.test_id = list_tests.test_id)
  order by t.id desc
  limit list_tests."limit";
end;
$$;

revoke all on function drip.list_tests(bigint, uuid, int) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.list_tests(bigint, uuid, int) to drip_app;
comment on function drip.list_tests(bigint, uuid, int) is
'The tests of the last thirty days, newest first, or one by its id: status (waiting, in_flight, sent, failed, unknown) and what went wrong. Errors: PT403, PT404, PT422.';
