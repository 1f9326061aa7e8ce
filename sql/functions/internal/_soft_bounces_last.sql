-- Whether an address that could not be reached for now is one for good: three soft bounces of a contact's messages within 30
-- days, the first and the last a week apart or more, and no sign of life (delivery, open, click, reply) since the first.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._soft_bounces_last(organization_id bigint, contact_id bigint, at timestamptz)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  v_org constant bigint := _soft_bounces_last.organization_id;
  v_enrollments bigint[];
  v_first timestamptz;
  v_last timestamptz;
  v_count int;
begin
  v_enrollments := array(
    select e.id from drip_core.enrollments as e where e.organization_id = v_org and e.contact_id = _soft_bounces_last.contact_id
  );
  select count(distinct (p.enrollment_id, p.step_id)), min(p.occurred_at), max(p.occurred_at)
  into v_count, v_first, v_last
  from drip_core.provider_events as p
  where p.organization_id = v_org and p.enrollment_id = any (v_enrollments) and p.type in ('bounced', 'failed') and p.reason = 'soft_bounced'
    and p.occurred_at > _soft_bounces_last.at - interval '720 hours';
  return v_count >= 3 and v_last - v_first >= interval '168 hours' and not exists (
    select from drip_core.events as v
    where v.organization_id = v_org and v.enrollment_id = any (v_enrollments) and v.type in ('delivered', 'opened', 'clicked', 'replied')
      and v.occurred_at > v_first and v.is_machine is not true
  );
end;
$$;

revoke all on function drip_core._soft_bounces_last(bigint, bigint, timestamptz) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._soft_bounces_last(bigint, bigint, timestamptz) is 'Whether the soft bounces of a contact have lasted long enough to be a bounce for good.';
