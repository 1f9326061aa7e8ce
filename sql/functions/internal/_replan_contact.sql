-- owner: drip_engine
-- requires: functions/internal/_replan_enrollments.sql
-- Plans the open enrollments of a contact anew after its time zone changed. Never the reason why the write of a contact
-- fails: what goes wrong is left to drip.tick, in a row of replans.
-- Locks: the enrollments, with skip locked. Errors: none. A repeat changes nothing.
create or replace function drip_core._replan_contact(organization_id bigint, contact_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  perform drip_core._replan_enrollments(_replan_contact.organization_id, array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = _replan_contact.organization_id and e.contact_id = _replan_contact.contact_id
      and e.status in ('active', 'paused')
  ));
exception
  when others then
    insert into drip_core.replans (organization_id, contact_id, requested_at)
    values (_replan_contact.organization_id, _replan_contact.contact_id, drip_core.now());
end;
$$;

revoke all on function drip_core._replan_contact(bigint, bigint) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._replan_contact(bigint, bigint) to drip_owner;
comment on function drip_core._replan_contact(bigint, bigint) is 'Plans the open enrollments of a contact anew after its time zone changed.';
