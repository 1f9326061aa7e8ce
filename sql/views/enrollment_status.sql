drop view if exists drip_report.enrollment_status;
create view drip_report.enrollment_status
with (security_invoker = true, security_barrier = true)
as
select
  s.organization_id,
  s.key as sequence_key,
  v.version,
  st.status::text as status,
  count(e.id) as enrollments,
  count(e.id)::numeric / nullif(sum(count(e.id)) over (partition by s.organization_id, s.id, v.version), 0) as share
from drip_core.sequences as s
inner join drip_core.sequence_versions as v on s.organization_id = v.organization_id and s.id = v.sequence_id
cross join unnest(enum_range(null::drip.enrollment_status)) as st (status)
left join drip_core.enrollments as e
  on
    v.organization_id = e.organization_id
    and v.sequence_id = e.sequence_id
    and v.version = e.version
    and st.status = e.status
group by s.organization_id, s.id, s.key, v.version, st.status;

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
