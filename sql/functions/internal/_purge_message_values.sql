-- owner: drip_engine
-- Forgets what messages said and to whom: their merge values (but the id of the link key, with which their tokens are
-- still made) and the words of their provider. Only of enrollments that ended before the instant: a later step of an
-- open one may answer its first message. Looks at up to 1,000 messages after the position, in the order of their key,
-- and returns where it stopped (null: the end).
-- Locks: the messages it changes, with skip locked; the caller holds the row of the setting. Errors: none.
create or replace function drip_core._purge_message_values(ended_before timestamptz, "position" bigint[], out purged int, out stopped_at bigint[])
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org bigint := coalesce(_purge_message_values.position[1], 0);
  v_enrollment bigint := coalesce(_purge_message_values.position[2], 0);
  v_step bigint := coalesce(_purge_message_values.position[3], 0);
  v_seen int;
  v_left int := 1000;
  v_enrollments bigint[];
  v_steps bigint[];
  v_values jsonb[];
begin
  purged := 0;
  for v_i in 1 .. 200 loop
    exit when v_left <= 0 or v_org is null;
    select
      count(*), max(x.enrollment_id), (array_agg(x.step_id order by x.enrollment_id desc, x.step_id desc))[1],
      coalesce(array_agg(x.enrollment_id) filter (where x.is_over), '{}'), coalesce(array_agg(x.step_id) filter (where x.is_over), '{}')
    into v_seen, v_enrollment, v_step, v_enrollments, v_steps
    from (
      select m.enrollment_id, m.step_id, m.merge_values ? 'to' and e.is_over as is_over
      from (
        select k.enrollment_id, k.step_id, k.merge_values, k.settled_at
        from drip_core.messages as k
        where k.organization_id = v_org and (k.enrollment_id, k.step_id) > (v_enrollment, v_step)
        order by k.enrollment_id, k.step_id
        limit v_left
      ) as m
      cross join lateral (
        select n.status not in ('active', 'paused') and greatest(n.status_changed_at, m.settled_at) < _purge_message_values.ended_before as is_over
        from drip_core.enrollments as n
        where n.organization_id = v_org and n.id = m.enrollment_id
        offset 0
      ) as e
    ) as x;

    if cardinality(v_enrollments) > 0 then
      select
        coalesce(array_agg(x.enrollment_id), '{}'), coalesce(array_agg(x.step_id), '{}'),
        coalesce(array_agg(jsonb_build_object('key', x.merge_values -> 'key')), '{}')
      into v_enrollments, v_steps, v_values
      from (
        select m.enrollment_id, m.step_id, m.merge_values
        from unnest(v_enrollments, v_steps) as u (enrollment_id, step_id)
        join drip_core.messages as m on m.organization_id = v_org and m.enrollment_id = u.enrollment_id and m.step_id = u.step_id
        order by m.enrollment_id, m.step_id
        for no key update of m skip locked
      ) as x;
      update drip_core.messages as m
      set merge_values = u.merge_values, error_message = null
      from unnest(v_enrollments, v_steps, v_values) as u (enrollment_id, step_id, merge_values)
      where m.organization_id = v_org and m.enrollment_id = u.enrollment_id and m.step_id = u.step_id;
      purged := purged + cardinality(v_enrollments);
    end if;

    if v_seen < v_left then
      select min(o.id) into v_org from drip_core.organizations as o where o.id > v_org;
      v_enrollment := 0;
      v_step := 0;
    end if;
    v_left := v_left - v_seen;
  end loop;
  stopped_at := case when v_org is not null then array[v_org, v_enrollment, v_step] end;
end;
$$;

revoke all on function drip_core._purge_message_values(timestamptz, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._purge_message_values(timestamptz, bigint[]) is
'Forgets the merge values of messages of long ended enrollments, a bounded stretch per call; how many, and where it stopped.';
