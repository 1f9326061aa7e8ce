begin;
select plan(28);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"first_name": "Annabel"}'));
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'boss@example.com', role => 'admin');
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000b', 'hand@example.com');
select results_eq(
  $$ select l.function_name, l.login = session_user, l.profile_id, l.arguments from drip.audit_log(drip_test.org(), "limit" => 1) as l $$,
  $$ values ('add_member', true, null::uuid, '{"profile_id": "00000000-0000-0000-0000-00000000000b", "role": "member"}'::jsonb) $$,
  'H2: a service is named by its login'
);
select is(
  (
    select l.function_name from drip.audit_log(drip_test.org()) as l
    order by l.entry_id limit 1
  ), 'create_organization',
  'H2: the trail begins with the organization itself'
);

create role drip_test_web login in role drip_app;
set local session authorization drip_test_web;
select is(session_user::text || '/' || current_user::text, 'drip_test_web/drip_test_web', 'the test is an application login');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000b"}', true);
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann'));
select drip.remove_enrollments(drip_test.org(), array[drip_test.kept('e')], 'Annabel asked for it');
select matches(
  drip_test.error_of('select drip.audit_log(drip_test.org())'), '^PT403 \| not allowed \| audit_log needs the role admin; yours is member',
  'H2: a member does not read the trail'
);
select matches(
  drip_test.error_of('select drip.remove_enrollment(drip_test.org(), -1)'), '^PT404', 'a call that fails'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select results_eq(
  $$ select l.function_name, l.login, l.profile_id, l.arguments from drip.audit_log(drip_test.org(), "limit" => 2) as l $$,
  format($$
    values
    ('remove_enrollments', 'drip_test_web', '00000000-0000-0000-0000-00000000000b'::uuid, '{"enrollments": {"ids": [%1$s], "count": 1}}'::jsonb),
    ('enroll', 'drip_test_web', '00000000-0000-0000-0000-00000000000b', '{"contact_id": %2$s, "sequence_key": "mails"}')
  $$, drip_test.kept('e'), drip_test.kept('ann')),
  'H2: a person is named by login and profile; what failed is not in the trail'
);
select matches(drip_test.error_of('select drip.audit_log(drip_test.kept(''b''))'), '^PT404', 'H2: the trail of another organization is not found');
select matches(drip_test.error_of('select drip.audit_log(drip_test.org(), "limit" => 0)'), '^PT422', 'PT422: a limit is positive');
select is((
  select count(*) from drip.audit_log(drip_test.org(), before => (select min(l.entry_id) + 1 from drip.audit_log(drip_test.org()) as l))
), 1::bigint, 'pages go back in time');

-- reading a whole person is a thing to be known as well
select drip_test.keep('entries', count(*)) from drip.audit_log(drip_test.org());
select isnt(drip.export_contact(drip_test.org(), drip_test.kept('ann')) -> 'contact' ->> 'first_name', null, 'a person is exported');
select results_eq(
  $$ select l.function_name, l.login, l.profile_id, l.arguments from drip.audit_log(drip_test.org(), "limit" => 1) as l $$,
  format(
    $$ values ('export_contact', 'drip_test_web', '00000000-0000-0000-0000-00000000000a'::uuid, '{"contact_id": %s}'::jsonb) $$,
    drip_test.kept('ann')
  ),
  'H2: who had a person exported is in the trail'
);
select matches(drip_test.error_of('select drip.export_contact(drip_test.org(), -1)'), '^PT404', 'an export of nobody');
select is(
  (select count(*) from drip.audit_log(drip_test.org())), drip_test.kept('entries') + 1, 'H2: one entry for each export that was answered'
);
select drip.erase_contact(drip_test.org(), drip_test.kept('ann'));
reset session authorization;

-- what services feed all the time is not in it, what a person or a bound login says came in is
create function pg_temp.feed(p_name text)
returns text
language plpgsql
as $$
declare
  v_before constant bigint := max(a.id) from drip_core.audit_entries as a;
  v_sender constant text := format('{"from_address": "annabel@example.net", "channel": "email", "external_id": "%s", "text": "hi"}', p_name);
  v_event constant text := format('{"provider_message_id": "annabel@example.net", "type": "opened", "external_id": "%s"}', p_name);
begin
  execute format('set local session authorization %I', p_name);
  perform drip.record_inbound(drip_test.org(), v_sender::jsonb);
  perform drip.record_provider_event(drip_test.org(), v_event::jsonb);
  perform drip.record_provider_events(drip_test.org(), jsonb_build_array(v_event::jsonb, v_event::jsonb, '{}'::jsonb));
  perform drip.record_account_reports(drip_test.org(), 'box', '[{"type": "limit", "limit": 100}]');
  reset session authorization;
  return (
    select string_agg(a.function_name || ' ' || a.login || coalesce(' ' || right(a.profile_id::text, 1), '') || ' ' || (
      a.arguments - 'inbound_id' - 'provider_event_id' - 'account_key')::text, ', ' order by a.id)
    from drip_core.audit_entries as a where a.id > v_before
  );
end;
$$;
create role drip_test_service login in role drip_runner;
grant drip_app to drip_test_service;
create role drip_test_tenant login in role drip_app;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.org(), 'drip_test_tenant');
select set_config('request.jwt.claims', '', true);
select is(pg_temp.feed('drip_test_service'), null, 'what a service reports is not in the trail');
select is(
  pg_temp.feed('drip_test_tenant'),
  'record_inbound drip_test_tenant {}, record_provider_event drip_test_tenant {"outcome": "parked"}, '
  'record_provider_events drip_test_tenant {"events": {"count": 3}}, record_account_reports drip_test_tenant {"reports": {"count": 1}}',
  'H2: what a bound login says came in is, one entry per call'
);
select is(
  (
    select count(*) from drip_core.audit_entries as a
    inner join drip_core.inbound_messages as i on a.organization_id = i.organization_id and a.arguments ->> 'inbound_id' = i.id::text
    where a.organization_id = drip_test.org() and i.external_id = 'drip_test_tenant'
  ), 1::bigint, 'H2: with what it is about'
);
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select matches(
  pg_temp.feed('drip_test_web'), '^record_inbound drip_test_web a \{\}, record_provider_event drip_test_web a \{"outcome": "parked"\}, ',
  'H2: and what a person says'
);
select matches(
  pg_temp.feed('drip_test_web'), '^record_inbound drip_test_web a \{\}, record_provider_event drip_test_web a \{"outcome": "duplicate"\}, ',
  'H2: again, if it does again'
);

-- what the operator does to all is in the trail of each
select set_config('request.jwt.claims', '', true);
select drip.apply_retention('{"message_values": "1 year", "raw_facts": null}');
select drip.apply_retention('{"message_values": "1 year"}');
select drip.apply_retention('{"message_values": null}');
select drip_test.keep('key', drip.rotate_link_key());
select results_eq(
  $$
    select a.function_name, a.login = session_user, a.profile_id, a.arguments from drip_core.audit_entries as a
    where a.organization_id = drip_test.kept('a') and a.function_name in ('apply_retention', 'rotate_link_key')
    order by a.id
  $$,
  format($$
    values
    ('apply_retention', true, null::uuid, '{"settings": {"message_values": "1 year"}}'::jsonb),
    ('apply_retention', true, null, '{"settings": {"message_values": "for ever"}}'),
    ('rotate_link_key', true, null, '{"key_id": %s}')
  $$, drip_test.kept('key')),
  'H2: what the operator changed for all is in the trail, what changed nothing is not'
);
select bag_eq(
  $$ select a.organization_id from drip_core.audit_entries as a where a.function_name = 'rotate_link_key' $$,
  $$ select o.id from drip_core.organizations as o $$,
  'H2: in the trail of every organization'
);
select is_empty(
  $$ select a.arguments from drip_core.audit_entries as a where a::text ~* 'annabel|ann@' $$,
  'X7: words and addresses of people are never written to the trail'
);

select matches(drip_test.error_of('update drip_core.audit_entries set login = ''x'''), '^PT409', 'H2: the trail is append-only');
select matches(drip_test.error_of('delete from drip_core.audit_entries'), '^PT409', 'H2: for deletions as well');

-- every function that changes something on behalf of an organization
select is_empty(
  $$
    select p.proname
    from pg_proc as p
    join drip_core.role_permissions as r on r.permission = p.proname
    where p.pronamespace = 'drip'::regnamespace and p.provolatile = 'v'
      and p.proname not in ('classify_hits', 'simulate', 'why')
      and p.prosrc !~ format('_(audit|audit_person|authorize)\([^;]*''%s''', p.proname)
  $$,
  'H2: every function that changes something writes to the trail'
);

-- what is too long for it
select matches(
  drip_test.error_of('select drip.set_sequence_status(drip_test.org(), repeat(''y'', 9000), ''paused'')'), '^PT404',
  'PT404: a key of any length is looked for'
);
select matches(
  drip_test.error_of('select drip.update_organization(drip_test.org(), jsonb_build_object(repeat(''k'', 9000), 1, repeat(''l'', 9000), 1))'), '^PT422',
  'PT422: nor is a setting too long to be refused'
);
select drip_core._audit(drip_test.org(), 'enroll', jsonb_build_object('contact_id', 7, 'sequence_key', repeat('ÿ', 9000)));
select is(
  (
    select l.arguments from drip.audit_log(drip_test.org()) as l
    order by l.entry_id desc limit 1
  ), jsonb_build_object('contact_id', 7, 'sequence_key', repeat('ÿ', 100)),
  'H2: of what is too long the trail keeps the beginning'
);

-- retention
create temporary table before_purge on commit drop as select count(*)::int as n from drip_core.audit_entries;
select is((
  select x.purged from drip_core._purge_audit_entries(drip_core.now() + interval '1 hour', '{}') as x
), (select n from before_purge), 'entries go by their age, in bounded pieces');
select * from finish();
rollback;
