drop view if exists drip_report.recent_activity;
create view drip_report.recent_activity
with (security_invoker = true, security_barrier = true)
as
with clock as materialized (
  select drip_core.now() as at
)

select
  o.id as organization_id,
  v.id as event_id,
  v.occurred_at,
  v.recorded_at,
  v.type::text as type,
  v.reason::text as reason,
  s.key as sequence_key,
  v.version,
  st.version as step_version,
  st.key as step_key,
  coalesce(v.channel, st.channel)::text as channel,
  a.key as channel_account_key,
  v.enrollment_id,
  v.contact_id,
  v.is_machine
from drip_core.organizations as o
cross join clock
cross join
  lateral (
    select
      e.id,
      e.occurred_at,
      e.recorded_at,
      e.type,
      e.reason,
      e.sequence_id,
      e.version,
      e.step_id,
      e.channel,
      e.channel_account_id,
      e.enrollment_id,
      e.contact_id,
      e.is_machine
    from drip_core.events as e
    where e.organization_id = o.id and e.recorded_at > clock.at - interval '90 days' and not e.is_test
    order by e.recorded_at desc, e.id desc
    limit 500
  ) as v
left join drip_core.sequences as s on o.id = s.organization_id and v.sequence_id = s.id
left join drip_core.steps as st on o.id = st.organization_id and v.step_id = st.id
left join drip_core.channel_accounts as a on o.id = a.organization_id and v.channel_account_id = a.id;

revoke all on drip_report.recent_activity from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.recent_activity to drip_analyst;
comment on view drip_report.recent_activity is
'The last 500 events of each organization, of the last 90 days, as they were recorded; order by recorded_at desc, event_id desc.';
comment on column drip_report.recent_activity.organization_id is 'The tenant.';
comment on column drip_report.recent_activity.event_id is 'Id of the event.';
comment on column drip_report.recent_activity.occurred_at is 'When it happened.';
comment on column drip_report.recent_activity.recorded_at is 'When it was recorded.';
comment on column drip_report.recent_activity.type is 'What happened.';
comment on column drip_report.recent_activity.reason is 'Why, where there is a reason.';
comment on column drip_report.recent_activity.sequence_key is 'Key of the sequence.';
comment on column drip_report.recent_activity.version is 'The version at enrollment: the cohort.';
comment on column drip_report.recent_activity.step_version is 'The version that the step belongs to.';
comment on column drip_report.recent_activity.step_key is 'The step.';
comment on column drip_report.recent_activity.channel is 'The channel.';
comment on column drip_report.recent_activity.channel_account_key is 'The sender.';
comment on column drip_report.recent_activity.enrollment_id is 'The enrollment; null for facts about a contact.';
comment on column drip_report.recent_activity.contact_id is 'The contact.';
comment on column drip_report.recent_activity.is_machine is 'For opens and clicks: made by a machine.';
