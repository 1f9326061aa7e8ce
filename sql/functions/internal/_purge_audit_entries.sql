-- owner: drip_engine
-- Deletes entries of the audit trail from before an instant; the one deletion that its trigger lets pass. Looks at up to
-- 1,000 after the position, in the order of their key, and returns where it stopped (null: the end).
-- Locks: the rows it deletes; nobody else changes them. Errors: none.
create or replace function drip_core._purge_audit_entries(occurred_before timestamptz, "position" bigint[], out purged int, out stopped_at bigint[])
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  v_org bigint := coalesce(_purge_audit_entries.position[1], 0);
  v_id bigint := coalesce(_purge_audit_entries.position[2], 0);
  v_seen int;
  v_count int;
  v_left int := 1000;
  v_ids bigint[];
begin
  purged := 0;
  perform set_config('drip.purging', 'on', true);
  for v_i in 1 .. 200 loop
    exit when v_left <= 0 or v_org is null;
    select count(*), max(x.id), coalesce(array_agg(x.id) filter (where x.occurred_at < _purge_audit_entries.occurred_before), '{}')
    into v_seen, v_id, v_ids
    from (
      select a.id, a.occurred_at
      from drip_core.audit_entries as a
      where a.organization_id = v_org and a.id > v_id
      order by a.id
      limit v_left
    ) as x;
    delete from drip_core.audit_entries as a where a.organization_id = v_org and a.id = any (v_ids);
    get diagnostics v_count = row_count;
    purged := purged + v_count;
    if v_seen < v_left then
      select min(o.id) into v_org from drip_core.organizations as o where o.id > v_org;
      v_id := 0;
    end if;
    v_left := v_left - v_seen;
  end loop;
  perform set_config('drip.purging', '', true);
  stopped_at := case when v_org is not null then array[v_org, v_id] end;
end;
$$;

revoke all on function drip_core._purge_audit_entries(timestamptz, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._purge_audit_entries(timestamptz, bigint[]) is
'Deletes entries of the audit trail past their time, a bounded stretch per call; how many, and where it stopped.';
