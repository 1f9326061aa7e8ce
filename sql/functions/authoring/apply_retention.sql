-- owner: drip_engine
-- requires: functions/internal/_require_known_keys.sql
-- Says for how long what is kept, for the whole installation; by default everything is kept for ever. An absent key keeps
-- its setting, null means for ever. For the operator (members of drip_owner, superusers): it is granted to no API role.
--   message_values  merge values (addresses, names, texts) of messages whose enrollment ended that long ago
--   late_results    what providers said of claims that had been superseded
--   event_details   whole months of events, 90 days old or more, are reduced to the facts that reports count
--   audit_entries   who did what through the API, 90 days old or more
--   raw_facts       reports of providers and raw hits (31 days or more; their events stay), words of inbound messages
-- drip.tick purges in bounded pieces. No number of any report changes. What was purged does not come back. What a call changed is in
-- the audit trail of every organization, as each loses what is no longer kept.
-- Locks: the rows of the settings. Errors: PT422. A repeat changes nothing.
create or replace function drip.apply_retention(settings jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
set intervalstyle = 'postgres'
as $$
declare
  v_setting record;
  v_least interval;
  v_keep_for interval;
  v_changed jsonb := jsonb '{}';
begin
  perform drip_core._require_known_keys(apply_retention.settings, array['audit_entries', 'event_details', 'late_results', 'message_values', 'raw_facts'], 'settings');
  for v_setting in
    select s.key, s.value
    from jsonb_each(apply_retention.settings) as s
    order by s.key
  loop
    v_least := case when v_setting.key in ('audit_entries', 'event_details') then interval '90 days' when v_setting.key = 'raw_facts' then interval '31 days' else interval '1 day' end;
    v_keep_for := null;
    begin
      if jsonb_typeof(v_setting.value) = 'string' then
        v_keep_for := (v_setting.value #>> '{}')::interval;
      end if;
    exception
      when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
        null;
    end;
    if v_setting.value <> 'null' and (v_keep_for is null or v_keep_for < v_least or v_keep_for > interval '100 years') then
      raise exception 'invalid settings'
        using errcode = 'PT422', detail = format('settings.%s: %s', v_setting.key, left(v_setting.value::text, 100)),
          hint = format('Pass an interval from %s to 100 years, such as "180 days", or null to keep it for ever.', v_least);
    end if;
    update drip_core.retention as r
    set
      keep_for = v_keep_for,
      next_at = '-infinity',
      position = case when r.month is null then '{}' else r.position end
    where r.subject = v_setting.key and r.keep_for is distinct from v_keep_for;
    if found then
      v_changed := v_changed || jsonb_build_object(v_setting.key, coalesce(v_keep_for::text, 'for ever'));
    end if;
  end loop;
  if v_changed <> '{}' then
    insert into drip_core.audit_entries (organization_id, function_name, arguments)
    select
      o.id,
      'apply_retention' as function_name,
      jsonb_build_object('settings', v_changed) as arguments
    from drip_core.organizations as o;
  end if;
  return (select jsonb_object_agg(r.subject, r.keep_for::text) from drip_core.retention as r);
end;
$$;

revoke all on function drip.apply_retention(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.apply_retention(jsonb) to drip_owner;
comment on function drip.apply_retention(jsonb) is
'Says for how long the whole installation keeps message_values, late_results, event_details, raw_facts and audit_entries (intervals; null: for ever, the default); returns the settings in force. Operator only. Errors: PT422.';
