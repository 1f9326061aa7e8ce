-- The sending window in force for the steps of a channel, for each version of an organization's sequences: its own, else the
-- organization's default one; the organization's holidays count in both, and where there is no window they close whole days.
-- Messages of a WhatsApp Web gateway keep working hours where nobody said when: Monday to Friday, 9 to 18.
-- A null time zone stands for that of the contact, else the organization's. No weekdays: open at all times.
-- Locks: none. Errors: none. Harmless to repeat.
drop function if exists drip_core._sending_windows(bigint);
create or replace function drip_core._sending_windows(organization_id bigint, channel drip.channel)
returns table (
  sequence_id bigint, version int, timezone text, weekdays int[], starts time[], ends time[], holidays date[], is_working_hours boolean
)
language sql
stable
begin atomic
  select
    v.sequence_id,
    v.version,
    case
      when cardinality(v.window_weekdays) > 0 then nullif(coalesce(v.window_timezone, o.timezone), 'contact')
      when cardinality(o.window_weekdays) > 0 then nullif(coalesce(o.window_timezone, o.timezone), 'contact')
    end as timezone,
    case
      when cardinality(v.window_weekdays) > 0 then v.window_weekdays
      when cardinality(o.window_weekdays) > 0 then o.window_weekdays
      when _sending_windows.channel = 'whatsapp_lite' then '{62}'
      when cardinality(o.holidays) = 0 then '{}'
      -- only holidays: all other days are open
      else '{254}'
    end as weekdays,
    case
      when cardinality(v.window_weekdays) > 0 then v.window_starts
      when cardinality(o.window_weekdays) > 0 then o.window_starts
      when _sending_windows.channel = 'whatsapp_lite' then '{09:00}'
      else '{00:00}'
    end as starts,
    case
      when cardinality(v.window_weekdays) > 0 then v.window_ends
      when cardinality(o.window_weekdays) > 0 then o.window_ends
      when _sending_windows.channel = 'whatsapp_lite' then '{18:00}'
      else '{24:00}'
    end as ends,
    o.holidays || case when cardinality(v.window_weekdays) > 0 then v.window_holidays else o.window_holidays end as holidays,
    _sending_windows.channel = 'whatsapp_lite' and cardinality(v.window_weekdays) = 0 and cardinality(o.window_weekdays) = 0 as is_working_hours
  from drip_core.sequence_versions as v
  inner join drip_core.organizations as o on v.organization_id = o.id
  where v.organization_id = _sending_windows.organization_id;
end;

revoke all on function drip_core._sending_windows(bigint, drip.channel) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._sending_windows(bigint, drip.channel) is
'The sending window in force for steps of a channel, for each version of an organization''s sequences; no weekdays: open at all times; null time zone: that of the contact, else of the organization.';
