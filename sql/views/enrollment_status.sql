drop view if exists drip_report.enrollment_status;
create view drip_report.enrollment_status
with (security_invoker = true, security_barrier = true)
as
with counts as (
  -- what drip.tick has added up, and what has come since
  select
    x.organization_id,
    x.sequence_id,
    x.version,
    sum(x.enrolled) as enrolled,
    sum(x.active) as active,
    sum(x.paused) as paused,
    sum(x.completed) as completed,
    sum(x.failed) as failed,
    sum(x.exited) as exited,
    sum(x.removed) as removed,
    sum(x.bounced) as bounced,
    sum(x.unsubscribed) as unsubscribed
  from (
    select
      c.organization_id,
      c.sequence_id,
      c.version,
      c.enrolled,
      c.active,
      c.paused,
      c.completed,
      c.failed,
      c.exited,
      c.removed,
      c.bounced,
      c.unsubscribed
    from drip_core.report_cells as c
    where c.scope = 'cohort'
    union all
    select
      d.organization_id,
      d.sequence_id,
      d.version,
      d.enrolled,
      d.active,
      d.paused,
      d.completed,
      d.failed,
      d.exited,
      d.removed,
      d.bounced,
      d.unsubscribed
    from drip_core.report_deltas as d
    where d.scope = 'cohort' or (d.scope is null and d.outcome is null)
  ) as x
  group by x.organization_id, x.sequence_id, x.version
)

select
  s.organization_id,
  s.key as sequence_key,
  v.version,
  st.status::text as status,
  n.enrollments,
  n.enrollments::numeric / nullif(c.enrolled, 0) as share
from drip_core.sequences as s
inner join drip_core.sequence_versions as v on s.organization_id = v.organization_id and s.id = v.sequence_id
left join counts as c on v.organization_id = c.organization_id and v.sequence_id = c.sequence_id and v.version = c.version
cross join unnest(enum_range(null::drip.enrollment_status)) as st (status)
cross join
  lateral (
    select coalesce(case st.status
      when 'active' then c.active
      when 'paused' then c.paused
      when 'completed' then c.completed
      when 'failed' then c.failed
      when 'exited' then c.exited
      when 'removed' then c.removed
      when 'bounced' then c.bounced
      when 'unsubscribed' then c.unsubscribed
    end, 0) as enrollments
  ) as n;

revoke all on drip_report.enrollment_status from public, drip_app, drip_runner, drip_public, drip_analyst;
grant select on drip_report.enrollment_status to drip_analyst;
comment on view drip_report.enrollment_status is
'One row per sequence, version of enrollment and status: every status is there, and they sum to the enrollments of the cohort.';
comment on column drip_report.enrollment_status.organization_id is 'The tenant.';
comment on column drip_report.enrollment_status.sequence_key is 'Key of the sequence.';
comment on column drip_report.enrollment_status.version is 'The version at enrollment: the cohort.';
comment on column drip_report.enrollment_status.status is 'One of the eight states of an enrollment.';
comment on column drip_report.enrollment_status.enrollments is 'Enrollments of the cohort in this state now.';
comment on column drip_report.enrollment_status.share is 'enrollments / all enrollments of the cohort; null where there are none.';
