-- owner: drip_engine
-- requires: functions/internal/_replan_enrollments.sql
-- Goes on with what has to be planned anew (table replans), up to max_rows enrollments, of some organizations or (null) of
-- all. A stretch that fails is passed by with a warning: its messages keep their instants, and the claim looks at windows itself.
-- Locks: rows of replans, then enrollments, each with skip locked. Errors: none. A repeat goes on. Returns the enrollments looked at.
create or replace function drip_core._continue_replans(organization_ids bigint[], max_rows int)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  -- what is added meanwhile (a rival holds an enrollment) is for the next call
  v_last_id constant bigint := (select max(r.id) from drip_core.replans as r);
  v_row record;
  v_ids bigint[];
  v_left int := _continue_replans.max_rows;
begin
  while v_left > 0 loop
    select r.organization_id, r.id, r.contact_id, r.after_enrollment_id
    into v_row
    from drip_core.replans as r
    where (_continue_replans.organization_ids is null or r.organization_id = any (_continue_replans.organization_ids))
      and r.id <= v_last_id
    order by r.requested_at, r.organization_id, r.id
    limit 1
    for no key update skip locked;
    exit when not found;

    if v_row.contact_id is not null then
      v_ids := array(
        select e.id
        from drip_core.enrollments as e
        where e.organization_id = v_row.organization_id and e.contact_id = v_row.contact_id and e.status in ('active', 'paused')
      );
    else
      v_ids := array(
        select e.id
        from drip_core.enrollments as e
        where e.organization_id = v_row.organization_id and e.id > v_row.after_enrollment_id
        order by e.id
        limit v_left
      );
    end if;
    if v_row.contact_id is not null or cardinality(v_ids) < v_left then
      delete from drip_core.replans as r where r.organization_id = v_row.organization_id and r.id = v_row.id;
    else
      update drip_core.replans as r
      set after_enrollment_id = v_ids[cardinality(v_ids)]
      where r.organization_id = v_row.organization_id and r.id = v_row.id;
    end if;
    begin
      perform drip_core._replan_enrollments(v_row.organization_id, v_ids);
    exception
      when others then
        raise warning 'enrollments could not be planned anew'
          using errcode = sqlstate, detail = sqlerrm, hint = 'They keep their instants; the claim checks windows by itself.';
    end;
    v_left := v_left - greatest(cardinality(v_ids), 1);
  end loop;
  return _continue_replans.max_rows - v_left;
end;
$$;

revoke all on function drip_core._continue_replans(bigint[], int) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._continue_replans(bigint[], int) is
'Goes on with enrollments that have to be planned anew, up to max_rows of them; returns how many it looked at.';
