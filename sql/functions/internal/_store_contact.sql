-- requires: functions/internal/_check_contact.sql, functions/internal/_hash_address.sql, functions/internal/_record_consent.sql, functions/internal/_replan_contact.sql, functions/internal/_carry_opt_outs.sql
-- Stores one checked contact: found by external_id, else by email, else by phone; an absent key keeps, null clears,
-- tags replaces. The caller has checked the organization and locked the address (_lock_addresses), and lets campaigns react to
-- the tags that were added.
-- Locks: the contact's row; where its time zone changed, its enrollments with skip locked. Errors: those of the constraints.
-- Attributes that would grow beyond 100,000 bytes, with those there are, are 'invalid': nothing is stored.
-- A repeat changes nothing.
do $$
begin
  -- of 0.1, without added_tags
  if exists (select from pg_catalog.pg_proc as p where p.oid = to_regprocedure('drip_core._store_contact(bigint, jsonb, text)') and cardinality(p.proallargtypes) = 5) then
    drop function drip_core._store_contact(bigint, jsonb, text);
  end if;
end;
$$;
create or replace function drip_core._store_contact(
  organization_id bigint, contact jsonb, source text, out contact_id bigint, out outcome text, out added_tags text[]
)
returns record
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _store_contact.organization_id;
  v_new constant jsonb := _store_contact.contact;
  v_now constant timestamptz := drip_core.now();
  v_external constant text := btrim(v_new ->> 'external_id');
  v_email constant text := nullif(btrim(v_new ->> 'email'), '');
  v_phone constant text := nullif(drip_core._normalise_phone(v_new ->> 'phone'), '');
  v_email_hash constant bytea := drip_core._hash_address('email', v_email);
  v_phone_hash constant bytea := drip_core._hash_address('whatsapp_cloud', v_phone);
  v_timezone constant text := nullif(btrim(v_new ->> 'timezone'), '');
  v_old_timezone text;
  v_size int;
  v_new_size int;
begin
  if v_external is null then
    -- a statement for each: one for both could use no index
    if v_email_hash is not null then
      select c.id into contact_id
      from drip_core.contacts as c
      where c.organization_id = v_org and c.email_hash = v_email_hash
      order by c.id
      limit 1
      for no key update;
    else
      select c.id into contact_id
      from drip_core.contacts as c
      where c.organization_id = v_org and c.phone_hash = v_phone_hash
      order by c.id
      limit 1
      for no key update;
    end if;
  else
    insert into drip_core.contacts (organization_id, external_id, created_at, updated_at)
    values (v_org, v_external, v_now, v_now)
    on conflict on constraint an_external_id_names_one_contact do nothing
    returning id into contact_id;
    if contact_id is not null then
      outcome := 'created';
    else
      select c.id into contact_id
      from drip_core.contacts as c
      where c.organization_id = v_org and c.external_id = v_external
      for no key update;
    end if;
  end if;

  if contact_id is null then
    insert into drip_core.contacts (organization_id, created_at, updated_at)
    values (v_org, v_now, v_now)
    returning id into contact_id;
    outcome := 'created';
  end if;

  if outcome is null and jsonb_typeof(v_new -> 'attributes') = 'object' then
    select octet_length(c.attributes::text), octet_length(jsonb_strip_nulls(c.attributes || (v_new -> 'attributes'))::text)
    into v_size, v_new_size
    from drip_core.contacts as c
    where c.organization_id = v_org and c.id = contact_id;
    if v_new_size > greatest(v_size, 100000) then
      contact_id := null;
      outcome := 'invalid';
      return;
    end if;
  end if;
  if outcome is null and v_new ? 'timezone' then
    select c.timezone into v_old_timezone from drip_core.contacts as c where c.organization_id = v_org and c.id = contact_id;
  end if;
  update drip_core.contacts as c
  set
    email = case when v_new ? 'email' then v_email else c.email end,
    email_hash = case when v_new ? 'email' then v_email_hash else c.email_hash end,
    phone = case when v_new ? 'phone' then v_phone else c.phone end,
    phone_hash = case when v_new ? 'phone' then v_phone_hash else c.phone_hash end,
    first_name = case when v_new ? 'first_name' then nullif(btrim(v_new ->> 'first_name'), '') else c.first_name end,
    last_name = case when v_new ? 'last_name' then nullif(btrim(v_new ->> 'last_name'), '') else c.last_name end,
    company = case when v_new ? 'company' then nullif(btrim(v_new ->> 'company'), '') else c.company end,
    timezone = case when v_new ? 'timezone' then v_timezone else c.timezone end,
    attributes = case
      when not v_new ? 'attributes' then c.attributes
      when v_new -> 'attributes' = 'null' then '{}'
      else jsonb_strip_nulls(c.attributes || (v_new -> 'attributes'))
    end,
    updated_at = v_now
  where c.organization_id = v_org and c.id = contact_id;

  if outcome is null and v_new ? 'timezone' and v_timezone is distinct from v_old_timezone then
    perform drip_core._replan_contact(v_org, contact_id);
  end if;

  if v_new ? 'tags' then
    delete from drip_core.contact_tags as t
    where t.organization_id = v_org and t.contact_id = _store_contact.contact_id
      and t.tag <> all (array(select btrim(n.tag) from jsonb_array_elements_text(coalesce(nullif(v_new -> 'tags', 'null'), '[]')) as n (tag)));
    with added as (
      insert into drip_core.contact_tags (organization_id, contact_id, tag, created_at)
      select distinct v_org, _store_contact.contact_id, btrim(n.tag), v_now
      from jsonb_array_elements_text(coalesce(nullif(v_new -> 'tags', 'null'), '[]')) as n (tag)
      on conflict do nothing
      returning tag
    )

    select array_agg(a.tag) into added_tags from added as a;
  end if;

  -- who takes an address whose owner said no is that person: another address later does not take it back
  if v_email_hash is not null or v_phone_hash is not null then
    perform drip_core._carry_opt_outs(v_org, contact_id, v_email_hash, v_phone_hash);
  end if;
  perform drip_core._record_consent(v_org, _store_contact.contact_id, c.key::drip.channel, c.value::drip.consent_state, _store_contact.source)
  from jsonb_each_text(coalesce(nullif(v_new -> 'consent', 'null'), '{}')) as c
  order by c.key;

  outcome := coalesce(outcome, 'updated');
end;
$$;

revoke all on function drip_core._store_contact(bigint, jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._store_contact(bigint, jsonb, text) is 'Stores one checked contact; returns its id, created, updated or invalid (its attributes would become too large), and the tags it did not have before.';
