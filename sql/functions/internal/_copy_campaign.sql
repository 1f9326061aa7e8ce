-- owner: drip_engine
-- requires: functions/internal/_copy_rows.sql
-- Copies what a simulation of a sequence needs to a shadow organization: settings, senders with their lanes, sequences, the
-- contacts in question, and the enrollments that compete with them: all that share a sender with the sequence, directly or
-- through others; where contacts have a cap, all that are open. The sequence is active there, whatever it is here.
-- Locks: none of live rows. Errors: none. Not to be repeated.
create or replace function drip_core._copy_campaign(organization_id bigint, shadow_id bigint, sequence_id bigint, contact_ids bigint[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org constant bigint := _copy_campaign.organization_id;
  v_shadow constant bigint := _copy_campaign.shadow_id;
  v_sequence constant bigint := _copy_campaign.sequence_id;
  v_sequences bigint[];
  v_contacts bigint[];
  v_enrollments bigint[];
  v_suppressions bigint[];
  v_columns text;
  v_table regclass;
begin
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
  into v_columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = 'drip_core.organizations'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'id';
  execute format(
    'insert into drip_core.organizations (id, %1$s) overriding system value select $2, %1$s from drip_core.organizations as o where o.id = $1', v_columns
  ) using v_org, v_shadow;
  foreach v_table in array array[
    'drip_core.channel_accounts', 'drip_core.lanes', 'drip_core.whatsapp_templates', 'drip_core.sequences', 'drip_core.sequence_versions',
    'drip_core.steps', 'drip_core.version_senders', 'drip_core.queues',
    -- what is due and its lane has not seen yet
    'drip_core.wakeups'
  ]::regclass[] loop
    perform drip_core._copy_rows(v_table, v_org, v_shadow);
  end loop;
  update drip_core.sequences as s set status = 'active' where s.organization_id = v_shadow and s.id = v_sequence;
  update drip_core.queues as q set is_open = true where q.organization_id = v_shadow and q.sequence_id = v_sequence;

  if exists (
    select from drip_core.organizations as o where o.id = v_org and (o.contact_cap_per_day is not null or o.contact_cap_per_week is not null)
  ) then
    v_sequences := array(select s.id from drip_core.sequences as s where s.organization_id = v_org);
  else
    v_sequences := array(
      with recursive reached as (
        select v_sequence as sequence_id
        union
        select n.sequence_id
        from reached as r
        join drip_core.queues as q on q.organization_id = v_org and q.sequence_id = r.sequence_id
        join drip_core.queues as n on n.organization_id = v_org and n.channel_account_id = q.channel_account_id
      )

      select r.sequence_id from reached as r
    );
  end if;
  v_contacts := array(
    select distinct e.contact_id
    from drip_core.enrollments as e
    where e.organization_id = v_org
      -- what is in flight fills its lane, wherever it belongs
      and (e.status in ('active', 'paused') and e.sequence_id = any (v_sequences) or e.lease_expires_at is not null)
    union
    select c.id from drip_core.contacts as c where c.organization_id = v_org and c.id = any (_copy_campaign.contact_ids)
  );
  perform drip_core._copy_rows('drip_core.contacts', v_org, v_shadow, 'id', v_contacts);
  foreach v_table in array array[
    'drip_core.deals', 'drip_core.consent_ledger', 'drip_core.address_checks', 'drip_core.enrollments', 'drip_core.inbound_messages'
  ]::regclass[] loop
    perform drip_core._copy_rows(v_table, v_org, v_shadow, 'contact_id', v_contacts);
  end loop;
  v_enrollments := array(select e.id from drip_core.enrollments as e where e.organization_id = v_shadow);
  foreach v_table in array array['drip_core.messages', 'drip_core.held_messages']::regclass[] loop
    perform drip_core._copy_rows(v_table, v_org, v_shadow, 'enrollment_id', v_enrollments);
  end loop;
  v_suppressions := array(
    select sp.id
    from drip_core.suppressions as sp
    join drip_core.contacts as c on c.organization_id = v_shadow and c.email_hash = sp.address_hash
    where sp.organization_id = v_org
    union
    select sp.id
    from drip_core.suppressions as sp
    join drip_core.contacts as c on c.organization_id = v_shadow and c.phone_hash = sp.address_hash
    where sp.organization_id = v_org
  );
  perform drip_core._copy_rows('drip_core.suppressions', v_org, v_shadow, 'id', v_suppressions);
end;
$$;

revoke all on function drip_core._copy_campaign(bigint, bigint, bigint, bigint[]) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._copy_campaign(bigint, bigint, bigint, bigint[]) is
'Copies what a simulation of a sequence needs to a shadow organization.';
