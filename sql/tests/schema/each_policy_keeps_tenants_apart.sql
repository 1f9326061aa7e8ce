-- Two organizations with rows in every table; the owner of the API functions, under forced row-level security, sees and
-- writes those of the caller's only.
begin;
select plan(45);
create function pg_temp.fill(p_name text)
returns void
language plpgsql
as $$
declare
  v_ids bigint[];
  v_claims jsonb;
begin
  perform drip_test.keep(p_name, drip_test.organization(p_name));
  perform drip_test.mailbox(drip_test.org(), 'box');
  perform drip.add_member(drip_test.org(), gen_random_uuid(), 'x@example.com');
  perform drip.apply_whatsapp_template(drip_test.org(), '{"name": "hello"}');
  perform drip_test.email_sequence(drip_test.org(), 'mails', 2, '{"senders": [{"account": "box"}]}');
  perform drip_test.contact(drip_test.org(), 'out', '{"tags": ["lead"], "consent": {"email": "opted_out"}}');
  perform drip.upsert_deal(drip_test.org(), '{"external_id": "d", "contact_external_id": "out"}');
  -- one sent, one held, one paused in flight, one superseded, one that waits with its wakeup
  v_ids := drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1, 'a'));
  perform drip_test.settle('sent');
  v_ids := drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1, 'b'));
  perform drip_test.settle('unknown');
  v_ids := drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1, 'c'));
  v_claims := drip_test.claims(drip_test.org());
  perform drip.pause_enrollment(drip_test.org(), v_ids[1]);
  perform drip_test.report(jsonb_set(v_claims, '{0,claim_token}', '1'));
  v_ids := drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1, 'd'));
  perform drip.send_test(drip_test.org(), 'mails', 's1', drip_test.contact(drip_test.org(), 'out'), 'x@example.com');
  insert into drip_core.replans (organization_id) values (drip_test.org());
  perform drip.assign_secret(drip_test.org(), 'BOX_SECRET');
  insert into drip_core.address_locks (organization_id, address_hash) values (drip_test.org(), '\x00');
  -- what came in: a stranger's letter, a report of nothing, a reaction that failed, a link and its click
  perform drip.record_inbound(drip_test.org(), '{"channel": "email", "from_address": "x@example.net"}');
  perform drip.record_provider_event(drip_test.org(), '{"provider_message_id": "x", "type": "delivered"}');
  perform drip.record_inbound(drip_test.org(), '{"channel": "whatsapp_cloud", "from_address": "+4930123", "headers": {"X-User-Id": "DE.1"}}');
  perform drip_core._note_failure(drip_test.org(), 'deal', 1, null, null, null, null, null, clock_timestamp(), null, null);
  insert into drip_core.step_links (organization_id, step_id, link_no, url)
  select s.organization_id, s.id, 1, 'https://example.com' from drip_core.steps as s where s.organization_id = drip_test.org() limit 1;
  insert into drip_core.inboxes (organization_id, channel_account_id, folder, uid_validity)
  select a.organization_id, a.id, 'INBOX', 1 from drip_core.channel_accounts as a where a.organization_id = drip_test.org();
  insert into drip_core.address_checks (organization_id, contact_id, channel, address_hash, is_reachable, channel_account_id)
  select a.organization_id, c.id, 'whatsapp_lite', '\x00', true, a.id
  from drip_core.channel_accounts as a join drip_core.contacts as c on c.organization_id = a.organization_id
  where a.organization_id = drip_test.org() limit 1;
  insert into drip_core.tracking_hits (organization_id, enrollment_id, step_id, type, occurred_at, is_machine, event_id, event_recorded_at)
  values (drip_test.org(), v_ids[1], 1, 'opened', clock_timestamp(), false, 0, clock_timestamp());
  insert into drip_core.report_builds (organization_id) values (drip_test.org());
  insert into drip_core.report_cells (organization_id, scope, sequence_id, version) values (drip_test.org(), 'cohort', 1, 1);
  insert into drip_core.report_facts (organization_id, enrollment_id, kinds, step_ids, first_at) values (drip_test.org(), v_ids[1], '{}', '{}', '{}');
  insert into drip_core.report_conversions (organization_id, id, enrollment_id, contact_id, sequence_id, version, converted_at)
  values (drip_test.org(), 1, v_ids[1], 1, 1, 1, clock_timestamp());
end;
$$;
select pg_temp.fill('B');
select pg_temp.fill('A');

create temporary table tenant_tables (name text, key text default 'organization_id', all_organizations bigint) on commit drop;
insert into tenant_tables (name)
select c.relname from pg_class as c
where c.relnamespace = 'drip_core'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  -- the second has no rows but while an old month of events is being reduced, the third none that others see
  and c.relname not in ('login_organizations', 'reduced_events', 'simulations')
  and exists (
    select from pg_attribute as a
    where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
  );
insert into tenant_tables (name, key) values ('organizations', 'id');
create function pg_temp.seen(p_name text, p_key text)
returns bigint[]
language plpgsql
as $$
declare
  v_seen bigint[];
begin
  execute format('select array_agg(distinct %I order by %1$I) from drip_core.%I where %1$I in (drip_test.kept(''A''), drip_test.kept(''B''))', p_key, p_name)
  into v_seen;
  return v_seen;
end;
$$;
grant select on tenant_tables to drip_owner;
select is_empty(
  $$ select name from tenant_tables where pg_temp.seen(name, key) is distinct from array[drip_test.kept('B'), drip_test.kept('A')] $$,
  'both organizations have rows in every table'
);
set local role drip_owner;
select is(current_user, 'drip_owner'::name, 'the test acts as drip_owner');
select is(pg_temp.seen(t.name, t.key), array[drip_test.kept('A')], 'H2: of ' || t.name || ' the caller sees the rows of its organization, and no other')
from tenant_tables as t
order by t.name;
select matches(
  drip_test.error_of(
    $$
      insert into drip_core.channel_accounts (organization_id, key, channel, provider, address)
      values (drip_test.kept('B'), 'x', 'email', 'smtp', 'x@x.example')
    $$
  ),
  '^42501 \| new row violates row-level security policy', 'H2: a row of another organization cannot be inserted'
);
select matches(
  drip_test.error_of('update drip_core.channel_accounts set organization_id = drip_test.kept(''B'')'),
  '^42501 \| new row violates row-level security policy', 'H2: nor can a row be given away'
);
select * from finish();
rollback;
