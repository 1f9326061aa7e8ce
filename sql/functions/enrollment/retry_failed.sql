-- requires: functions/internal/_authorize.sql, functions/internal/_audited_ids.sql
-- After the cause is fixed: for each failed enrollment a new entry of the same version that starts at the failed step, due
-- now, with the same senders. The failed one stays as it is. Suppression and consent are checked by the claim as ever.
-- Locks: the enrollments in id order; rows by foreign key. Errors: PT403, PT404, PT422. A repeat answers already_active.
create or replace function drip.retry_failed(organization_id bigint, enrollment_ids bigint[])
returns table (enrollment_id bigint, new_enrollment_id bigint, outcome text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_org constant bigint := retry_failed.organization_id;
  v_now constant timestamptz := drip_core.now();
  v_profile constant uuid := drip_core.current_profile();
  v_ids bigint[];
  v_news bigint[];
  v_contacts bigint[];
begin
  perform drip_core._authorize(v_org, 'retry_failed', jsonb_build_object('enrollments', drip_core._audited_ids(retry_failed.enrollment_ids)));
  if retry_failed.enrollment_ids is null or cardinality(retry_failed.enrollment_ids) > 100000 then
    raise exception 'invalid enrollment_ids'
      using errcode = 'PT422', detail = format('%s enrollments', coalesce(cardinality(retry_failed.enrollment_ids)::text, 'null')),
        hint = 'Pass an array of at most 100,000 ids.';
  end if;
  perform
  from drip_core.sequences as s
  where s.organization_id = v_org and s.id in (
    select e.sequence_id from drip_core.enrollments as e where e.organization_id = v_org and e.id = any (retry_failed.enrollment_ids)
  )
  order by s.id
  for key share;
  v_ids := array(
    select e.id
    from drip_core.enrollments as e
    where e.organization_id = v_org and e.id = any (retry_failed.enrollment_ids)
    order by e.id
    for no key update
  );

  with inserted as (
    insert into drip_core.enrollments (
      organization_id, sequence_id, version, contact_id, deal_id, entry_no, status_changed_at, step_id, channel_account_id, sender_ids,
      next_step_at, planned_from, source, enrolled_by, enrolled_at
    )
    select
      v_org, e.sequence_id, e.version, e.contact_id, e.deal_id, last.entry_no + 1, v_now, e.step_id, e.channel_account_id, e.sender_ids,
      v_now, v_now, 'retry_failed', v_profile, v_now
    from drip_core.enrollments as e
    join drip_core.sequences as s on s.organization_id = v_org and s.id = e.sequence_id and s.status = 'active'
    cross join lateral (
      select max(x.entry_no) as entry_no
      from drip_core.enrollments as x
      where x.organization_id = v_org and x.contact_id = e.contact_id and x.sequence_id = e.sequence_id
    ) as last
    where e.organization_id = v_org and e.id = any (v_ids) and e.status = 'failed' and e.entry_no = last.entry_no
      and e.step_id is not null and e.channel_account_id is not null
    order by e.contact_id
    on conflict do nothing
    returning id, contact_id, sequence_id, channel_account_id
  ),

  woken as (
    insert into drip_core.wakeups (organization_id, channel_account_id, sequence_id, due_at)
    select distinct v_org, n.channel_account_id, n.sequence_id, v_now
    from inserted as n
    returning id
  )

  select coalesce(array_agg(e.id), '{}'), coalesce(array_agg(n.id), '{}')
  into v_contacts, v_news
  from inserted as n
  join drip_core.enrollments as e
    on e.organization_id = v_org and e.id = any (v_ids) and e.contact_id = n.contact_id and e.sequence_id = n.sequence_id and e.status = 'failed';

  return query
  select
    i.id,
    coalesce(n.new_id, open.id),
    case
      when e.id is null then 'not_found'
      when n.new_id is not null then 'enrolled'
      when open.id is not null then 'already_active'
      when e.status <> 'failed' then 'not_failed'
      when s.status <> 'active' then 'sequence_not_active'
      else 'superseded'
    end
  from (
    select g.id, min(g.ordinal) as ordinal
    from unnest(retry_failed.enrollment_ids) with ordinality as g (id, ordinal)
    group by g.id
  ) as i
  left join drip_core.enrollments as e on e.organization_id = v_org and e.id = i.id
  left join drip_core.sequences as s on s.organization_id = v_org and s.id = e.sequence_id
  left join unnest(v_contacts, v_news) as n (old_id, new_id) on n.old_id = i.id
  left join drip_core.enrollments as open
    on open.organization_id = v_org and open.contact_id = e.contact_id and open.sequence_id = e.sequence_id
    and open.status in ('active', 'paused')
  order by i.ordinal;
end;
$$;

revoke all on function drip.retry_failed(bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.retry_failed(bigint, bigint[]) to drip_app;
comment on function drip.retry_failed(bigint, bigint[]) is
'For each failed enrollment a new entry that starts at the failed step: one row each with new_enrollment_id and outcome (enrolled, already_active, not_failed, sequence_not_active, superseded, not_found). Errors: PT403, PT404, PT422.';
