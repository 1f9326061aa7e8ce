-- owner: drip_engine
-- requires: functions/internal/_purge_message_values.sql, functions/internal/_purge_late_results.sql, functions/internal/_purge_audit_entries.sql, functions/internal/_purge_raw_facts.sql, functions/internal/_reduce_events.sql
-- One bounded piece of what drip.apply_retention asks for: each subject at most 1,000 rows. A pass walks a table in the
-- order of its primary key, from where the last call stopped, so that it needs no index of its own and no write per
-- message; the next pass begins a day after it ended.
-- Locks: the rows of the settings with skip locked (a rival purges nothing meanwhile), then those of the functions it
-- calls, which wait for nobody. Errors: none. A repeat goes on where the last one stopped.
create or replace function drip_core._purge(at timestamptz)
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_setting record;
  v_done record;
  v_counts jsonb := '{}'::jsonb;
begin
  for v_setting in
    select r.subject, r.keep_for, r.position
    from drip_core.retention as r
    -- a time far ahead was written by a clock that has been moved back since
    where r.keep_for is not null and (r.next_at <= _purge.at or r.next_at > _purge.at + interval '1 day')
    order by r.subject
    for no key update skip locked
  loop
    if v_setting.subject = 'event_details' then
      v_counts := v_counts || jsonb_build_object('events_reduced', drip_core._reduce_events(_purge.at));
      continue;
    end if;
    if v_setting.subject = 'raw_facts' then
      select x.purged, x.stopped_at into v_done from drip_core._purge_raw_facts(_purge.at - v_setting.keep_for, v_setting.position) as x;
    elsif v_setting.subject = 'message_values' then
      select x.purged, x.stopped_at into v_done from drip_core._purge_message_values(_purge.at - v_setting.keep_for, v_setting.position) as x;
    elsif v_setting.subject = 'audit_entries' then
      select x.purged, x.stopped_at into v_done from drip_core._purge_audit_entries(_purge.at - v_setting.keep_for, v_setting.position) as x;
    else
      select x.purged, x.stopped_at into v_done from drip_core._purge_late_results(_purge.at - v_setting.keep_for, v_setting.position) as x;
    end if;
    v_counts := v_counts || jsonb_build_object(v_setting.subject || '_purged', v_done.purged);
    update drip_core.retention as r
    set
      position = coalesce(v_done.stopped_at, '{}'),
      next_at = case when v_done.stopped_at is null then _purge.at + interval '1 day' else r.next_at end
    where r.subject = v_setting.subject;
  end loop;
  return v_counts;
end;
$$;

revoke all on function drip_core._purge(timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._purge(timestamptz) is 'One bounded piece of the purge that drip.apply_retention asks for; counts by subject.';
