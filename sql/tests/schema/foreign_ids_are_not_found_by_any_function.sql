-- Organization A calls every function of the application role with an id of organization B: each answers "not found".
begin;
select plan(3 + 51 + 27 + 8);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.mailbox(drip_test.org(), 'box-b');
select drip_test.mailbox(drip_test.org(), 'box-c');
select drip_test.email_sequence(drip_test.org(), 'seq-b', 1);
select drip_test.keep('contact', drip_test.contact(drip_test.org(), 'ann-b', '{"tags": ["lead"]}'));
select drip_test.keep('deal', drip.upsert_deal(drip_test.org(), '{"external_id": "d", "contact_external_id": "ann-b", "stage": "won"}'));
select drip_test.keep('enrollment', enrollment_id) from drip.enroll(drip_test.org(), 'seq-b', drip_test.kept('contact'));
select drip_test.keep('account', channel_account_id) from drip.list_channel_accounts(drip_test.org())
where key = 'box-b';
select drip_test.settle();
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'box-a');
select drip_test.email_sequence(drip_test.org(), 'seq-a', 1);
select drip_test.keep('mine', drip_test.contact(drip_test.org(), 'ann-a'));

-- %1$s the organization named, %2$s B's contact, %3$s B's deal, %4$s B's enrollment, %5$s B's sender
create temporary table calls (name text primary key, statement text not null) on commit drop;
insert into calls values
('add_member', $$drip.add_member(%1$s, gen_random_uuid(), 'x@example.net')$$),
('apply_channel_account', $$drip.apply_channel_account(%1$s, '{"key": "box-b", "display_name": "mine now"}')$$),
('apply_sequence', $$drip.apply_sequence(%1$s, drip_test.email_definition('seq-b'))$$),
('apply_whatsapp_template', $$drip.apply_whatsapp_template(%1$s, '{"name": "x"}')$$),
('audit_log', $$drip.audit_log(%1$s)$$),
('classify_hits', $$drip.classify_hits(%1$s)$$),
('enroll', $$drip.enroll(%1$s, 'seq-b', %2$s)$$),
('enroll_deals', $$drip.enroll_deals(%1$s, 'seq-b', deal_ids => array[%3$s])$$),
('enroll_many', $$drip.enroll_many(%1$s, 'seq-b', array[%2$s])$$),
('enroll_tagged', $$drip.enroll_tagged(%1$s, 'seq-b', 'lead')$$),
('enrollment_history', $$drip.enrollment_history(%1$s, %4$s)$$),
('erase_contact', $$drip.erase_contact(%1$s, %2$s)$$),
('export_contact', $$drip.export_contact(%1$s, %2$s)$$),
('get_message', $$drip.get_message(%1$s, %4$s, 's1')$$),
('get_sequence', $$drip.get_sequence(%1$s, 'seq-b')$$),
('list_channel_accounts', $$drip.list_channel_accounts(%1$s)$$),
('list_contacts', $$drip.list_contacts(%1$s)$$),
('list_enrollments', $$drip.list_enrollments(%1$s, 'seq-b')$$),
('list_sequences', $$drip.list_sequences(%1$s)$$),
('list_tests', $$drip.list_tests(%1$s)$$),
('migrate_enrollments', $$drip.migrate_enrollments(%1$s, 'seq-b', 1, false)$$),
('pause_enrollment', $$drip.pause_enrollment(%1$s, %4$s)$$),
('pause_enrollments', $$drip.pause_enrollments(%1$s, array[%4$s])$$),
('pause_lane', $$drip.pause_lane(%1$s, %5$s, 'x')$$),
('preview', $$drip.preview(%1$s, 'seq-b', 's1', %2$s)$$),
('reconsent', $$drip.reconsent(%1$s, %2$s, 'email', '{"source": "x"}')$$),
('record_inbound', $$drip.record_inbound(%1$s, '{"channel": "email", "from_address": "x@example.net"}')$$),
('record_provider_event', $$drip.record_provider_event(%1$s, '{"provider_message_id": "x", "type": "delivered"}')$$),
('record_account_reports', $$drip.record_account_reports(%1$s, 'box-b', '[]')$$),
('record_provider_events', $$drip.record_provider_events(%1$s, '[]')$$),
('remove_enrollment', $$drip.remove_enrollment(%1$s, %4$s)$$),
('remove_enrollments', $$drip.remove_enrollments(%1$s, array[%4$s])$$),
('remove_member', $$drip.remove_member(%1$s, gen_random_uuid())$$),
('replace_sender', $$drip.replace_sender(%1$s, 'box-b', 'box-c')$$),
('resolve_unknown', $$drip.resolve_unknown(%1$s, %4$s, 1, 'sent')$$),
('resume_enrollment', $$drip.resume_enrollment(%1$s, %4$s)$$),
('resume_enrollments', $$drip.resume_enrollments(%1$s, array[%4$s])$$),
('resume_lane', $$drip.resume_lane(%1$s, %5$s)$$),
('retry_failed', $$drip.retry_failed(%1$s, array[%4$s])$$),
('send_test', $$drip.send_test(%1$s, 'seq-b', 's1', %2$s, 'x@example.com')$$),
('set_sequence_status', $$drip.set_sequence_status(%1$s, 'seq-b', 'paused')$$),
('simulate', $$drip.simulate(%1$s, 'seq-b')$$),
('suppress', $$drip.suppress(%1$s, 'email', 'x@example.net')$$),
('suppress_many', $$drip.suppress_many(%1$s, '[]')$$),
('sync_whatsapp_templates', $$drip.sync_whatsapp_templates(%1$s, '[]')$$),
('update_organization', $$drip.update_organization(%1$s, '{"postal_address": "x"}')$$),
('upsert_contact', $$drip.upsert_contact(%1$s, '{"external_id": "ann-b", "first_name": "Eve"}')$$),
('upsert_contacts', $$drip.upsert_contacts(%1$s, '[]')$$),
('upsert_deal', $$drip.upsert_deal(%1$s, '{"contact_id": %2$s}')$$),
('validate_sequence', $$drip.validate_sequence(%1$s, '{}')$$),
('why', $$drip.why(%1$s, %4$s)$$);
grant select on calls to drip_app;
create function pg_temp.answer(p_statement text, p_named bigint)
returns text
language sql
as $$
  select drip_test.error_of('select * from ' || format(p_statement, p_named, drip_test.kept('contact'), drip_test.kept('deal'),
    drip_test.kept('enrollment'), drip_test.kept('account')));
$$;

select set_eq(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace = 'drip'::regnamespace and p.proargnames @> array['organization_id'] and has_function_privilege('drip_app', p.oid, 'execute')
  $$,
  $$ select name from calls $$,
  'H2: every function that takes an organization is tried here'
);
-- runner functions that services may call look at the login: an application's, not a superuser's
create role drip_test_app login in role drip_app;
set local session authorization drip_test_app;
select is(session_user::text || '/' || current_user::text, 'drip_test_app/drip_test_app', 'the test is an application login');
select matches(pg_temp.answer(c.statement, drip_test.kept('b')), '^PT404 \| organization not found', 'H2: ' || c.name || ' does not find B''s organization')
from calls as c
order by c.name;
select matches(pg_temp.answer(c.statement, drip_test.kept('a')), '^PT404 \| [a-z ]+ not found', 'H2: ' || c.name || ' does not find B''s rows in A')
from calls as c
where c.name in (
    'enroll',
    'enroll_deals',
    'enroll_many',
    'enroll_tagged',
    'enrollment_history',
    'erase_contact',
    'export_contact',
    'get_message',
    'get_sequence',
    'list_enrollments',
    'migrate_enrollments',
    'pause_enrollment',
    'pause_lane',
    'preview',
    'reconsent',
    'record_account_reports',
    'remove_enrollment',
    'replace_sender',
    'resolve_unknown',
    'resume_enrollment',
    'resume_lane',
    'send_test',
    'set_sequence_status', 'simulate', 'upsert_deal', 'why'
  )
order by c.name;
select is(
  (
    select string_agg(concat_ws('/', e.contact_id = drip_test.kept('contact'), e.outcome, e.enrollment_id is null), ' ')
    from drip.enroll_many(drip_test.kept('a'), 'seq-a', array[drip_test.kept('contact')]) as e
  ),
  't/contact_not_found/t',
  'H2: B''s contact is not found by A''s sequence'
);
-- where everything else is A's own; %1$s A, %2$s B's contact, %3$s B's deal, %4$s A's contact, %5$s B's enrollment
select
  is(
    drip_test.error_of('select * from ' || format(
      c.statement, drip_test.kept('a'), drip_test.kept('contact'), drip_test.kept('deal'),
      drip_test.kept('mine'), drip_test.kept('enrollment')
    )),
    c.answer, 'H2: ' || c.statement
  )
from (
  values
  ($$drip.preview(%1$s, 'seq-a', 's1', %2$s)$$, 'PT404 | contact not found | contact_id: ' || drip_test.kept('contact')),
  ($$drip.send_test(%1$s, 'seq-a', 's1', %2$s, 'x@example.com')$$, 'PT404 | contact not found | contact_id: ' || drip_test.kept('contact')),
  ($$drip.preview(%1$s, 'seq-a', 's9', %4$s)$$, 'PT404 | step not found | sequence_key: seq-a, step_key: s9'),
  ($$drip.send_test(%1$s, 'seq-a', 's9', %4$s, 'x@example.com')$$, 'PT404 | step not found | sequence_key: seq-a, step_key: s9'),
  (
    $$drip.enroll(%1$s, 'seq-a', %4$s, deal_id => %3$s)$$,
    format('PT404 | deal not found | deal_id: %s, contact_id: %s', drip_test.kept('deal'), drip_test.kept('mine'))
  ),
  ($$drip.get_message(%1$s, %5$s, 's1')$$, 'PT404 | enrollment not found | enrollment_id: ' || drip_test.kept('enrollment')),
  ($$drip.pause_lane(null, %2$s, 'x')$$, 'PT404 | organization not found | organization_id: null'),
  ($$drip.resume_lane(null, %2$s)$$, 'PT404 | organization not found | organization_id: null')
) as c (statement, answer);
reset session authorization;
select drip_test.act_for(drip_test.kept('b'));
select is(
  (select (e.status, e.version)::text from drip.list_enrollments(drip_test.org()) as e), '(completed,1)',
  'H2: nothing of B changed'
);
select * from finish();
rollback;
