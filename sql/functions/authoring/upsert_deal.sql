-- requires: functions/internal/_require_permission.sql, functions/internal/_audit.sql, functions/internal/_require_known_keys.sql, functions/internal/_deal_written.sql, functions/internal/_text_problem.sql
-- Creates or changes a deal (found by external_id): absent key keeps, null clears. Where it is new, or its stage changes,
-- sequences react in the same transaction (exit_on, goal, enroll_on); that never fails the write.
-- Locks: the deal's row, then as _react_to_deal. Errors: PT403, PT404 (contact), PT422. A repeat changes nothing.
create or replace function drip.upsert_deal(organization_id bigint, deal jsonb)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_org constant bigint := upsert_deal.organization_id;
  v_new constant jsonb := upsert_deal.deal;
  v_now constant timestamptz := drip_core.now();
  v_external constant text := nullif(btrim(v_new ->> 'external_id'), '');
  v_contact bigint;
  v_is_given boolean := false;
  v_id bigint;
  v_stage text;
  v_old_stage text;
  v_problem text;
begin
  perform drip_core._require_permission(v_org, 'upsert_deal');
  perform drip_core._require_known_keys(v_new, array[
    'external_id', 'contact_external_id', 'contact_id', 'name', 'stage', 'amount', 'currency'
  ], 'deal');
  v_problem := coalesce(
    drip_core._text_problem(v_new, array['external_id', 'contact_external_id', 'name'], 500, 'deal'),
    drip_core._text_problem(v_new, array['stage'], 100, 'deal'),
    drip_core._text_problem(v_new, array['amount', 'currency', 'contact_id'], 40, 'deal'));
  if v_problem is not null then
    raise exception 'invalid deal'
      using errcode = 'PT422', detail = v_problem, hint = 'Keys: external_id, contact_external_id or contact_id, name, stage, amount, currency.';
  end if;
  if (v_new ->> 'amount') !~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' or (v_new ->> 'currency') !~ '^[A-Za-z]{3}$' then
    raise exception 'invalid deal'
      using errcode = 'PT422', detail = format('deal.amount: %s, deal.currency: %s', v_new ->> 'amount', v_new ->> 'currency'),
        hint = 'An amount is a decimal number, a currency a code of three letters such as EUR.';
  end if;
  if (v_new ->> 'contact_id') !~ '^[0-9]{1,18}$' then
    raise exception 'invalid deal'
      using errcode = 'PT422', detail = format('deal.contact_id: %s', left(v_new ->> 'contact_id', 40)), hint = 'Pass the id that drip.upsert_contact returned.';
  end if;

  if v_new ?| array['contact_id', 'contact_external_id'] then
    select c.id
    into v_contact
    from drip_core.contacts as c
    where c.organization_id = v_org
      and case when v_new ? 'contact_id' then c.id = (v_new ->> 'contact_id')::bigint else c.external_id = btrim(v_new ->> 'contact_external_id') end;
    v_is_given := true;
  end if;
  select d.id, case when v_is_given then v_contact else d.contact_id end
  into v_id, v_contact
  from (select) as one
  left join drip_core.deals as d on d.organization_id = v_org and d.external_id = v_external;
  if v_contact is null then
    raise exception 'contact not found'
      using errcode = 'PT404',
        detail = format('contact_id: %s, contact_external_id: %s', coalesce(v_new ->> 'contact_id', 'null'), coalesce(v_new ->> 'contact_external_id', 'null')),
        hint = 'A deal belongs to a contact: store the contact first with drip.upsert_contact.';
  end if;

  if v_id is null then
    insert into drip_core.deals as d (organization_id, external_id, contact_id, name, stage, amount, currency, created_at, updated_at)
    values (
      v_org, v_external, v_contact, v_new ->> 'name', v_new ->> 'stage', (v_new ->> 'amount')::numeric,
      upper(v_new ->> 'currency'), v_now, v_now
    )
    on conflict on constraint a_deal_external_id_names_one_deal do nothing
    returning d.id into v_id;
    if v_id is not null then
      perform drip_core._deal_written(v_org, v_id, v_contact, v_new ->> 'stage', true, v_new ->> 'stage' is not null);
      perform drip_core._audit(v_org, 'upsert_deal', jsonb_build_object('deal_id', v_id));
      return v_id;
    end if;
    select d.id into v_id
    from drip_core.deals as d
    where d.organization_id = v_org and d.external_id = v_external;
  end if;

  select d.stage into v_old_stage
  from drip_core.deals as d
  where d.organization_id = v_org and d.id = v_id
  for no key update;
  v_stage := case when v_new ? 'stage' then v_new ->> 'stage' else v_old_stage end;
  update drip_core.deals as d
  set
    contact_id = v_contact,
    name = case when v_new ? 'name' then v_new ->> 'name' else d.name end,
    stage = v_stage,
    stage_changed_at = case when v_stage is distinct from v_old_stage then v_now else d.stage_changed_at end,
    amount = case when v_new ? 'amount' then (v_new ->> 'amount')::numeric else d.amount end,
    currency = case when v_new ? 'currency' then upper(v_new ->> 'currency') else d.currency end,
    updated_at = v_now
  where d.organization_id = v_org and d.id = v_id;
  perform drip_core._deal_written(v_org, v_id, v_contact, v_stage, false, v_stage is distinct from v_old_stage and v_stage is not null);
  perform drip_core._audit(v_org, 'upsert_deal', jsonb_build_object('deal_id', v_id));
  return v_id;
end;
$$;

revoke all on function drip.upsert_deal(bigint, jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip.upsert_deal(bigint, jsonb) to drip_app;
comment on function drip.upsert_deal(bigint, jsonb) is
'Creates or changes a deal of a contact and returns its id; absent key keeps, null clears. Errors: PT403, PT404 (contact), PT422.';
