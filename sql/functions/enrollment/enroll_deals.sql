-- requires: functions/internal/_authorize.sql, functions/internal/_audited_ids.sql, functions/internal/_enroll_contacts.sql
-- Enrolls the contacts of deals, by stage, by id, or both; the enrollment carries the deal (of several the newest).
-- Locks: see _enroll_contacts. Errors: PT403, PT404 (also for a deal that there is not), PT422 (neither stage nor ids).
-- A repeat answers already_active.
create or replace function drip.enroll_deals(
  organization_id bigint, sequence_key text, stage text default null, deal_ids bigint[] default null, start_at timestamptz default null,
  source text default 'deal'
)
returns setof drip.enroll_result
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
#variable_conflict use_column
declare
  v_missing bigint;
  v_contacts bigint[];
  v_deals bigint[];
begin
  perform drip_core._authorize(enroll_deals.organization_id, 'enroll_deals', jsonb_build_object(
    'sequence_key', enroll_deals.sequence_key, 'deals', drip_core._audited_ids(enroll_deals.deal_ids)));
  if enroll_deals.stage is null and enroll_deals.deal_ids is null then
    raise exception 'deals are needed'
      using errcode = 'PT422', detail = 'stage and deal_ids are null', hint = 'Pass a stage, deal ids, or both.';
  end if;
  if cardinality(enroll_deals.deal_ids) > 100000 then
    raise exception 'invalid deal_ids'
      using errcode = 'PT422', detail = format('%s deals', cardinality(enroll_deals.deal_ids)), hint = 'Pass an array of at most 100,000 ids; call it in batches for more.';
  end if;
  select i.id
  into v_missing
  from unnest(enroll_deals.deal_ids) as i (id)
  where not exists (select from drip_core.deals as d where d.organization_id = enroll_deals.organization_id and d.id = i.id)
  limit 1;
  if found then
    raise exception 'deal not found'
      using errcode = 'PT404', detail = format('deal_id: %s', coalesce(v_missing::text, 'null')), hint = 'Store the deal first with drip.upsert_deal.';
  end if;
  select array_agg(d.contact_id order by d.id desc), array_agg(d.id order by d.id desc)
  into v_contacts, v_deals
  from drip_core.deals as d
  where d.organization_id = enroll_deals.organization_id
    and (enroll_deals.stage is null or d.stage = enroll_deals.stage)
    and (enroll_deals.deal_ids is null or d.id = any (enroll_deals.deal_ids));
  return query
  select e.contact_id, e.enrollment_id, e.outcome
  from drip_core._enroll_contacts(
    enroll_deals.organization_id, enroll_deals.sequence_key, v_contacts, v_deals, enroll_deals.start_at, enroll_deals.source) as e;
end;
$$;

revoke all on function drip.enroll_deals(bigint, text, text, bigint[], timestamptz, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.enroll_deals(bigint, text, text, bigint[], timestamptz, text) to drip_app;
comment on function drip.enroll_deals(bigint, text, text, bigint[], timestamptz, text) is
'Enrolls the contacts of deals (by stage, by id, or both), each with its newest deal: one row per contact. Errors: PT403, PT404, PT422.';
