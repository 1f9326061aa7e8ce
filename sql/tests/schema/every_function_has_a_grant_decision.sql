-- Who may execute what: the decisions, as a table. A function that is not listed here fails the first assertion.
begin;
select plan(4);

create temporary table decisions (name text primary key, roles text[] not null) on commit drop;
insert into decisions
select
  f.name,
  array['drip_app']
from unnest(array[
    'add_member', 'apply_channel_account', 'apply_sequence', 'apply_whatsapp_template', 'audit_log', 'enroll', 'enroll_deals', 'enroll_many',
    'enroll_tagged',
    'enrollment_history',
    'erase_contact',
    'export_contact',
    'get_message',
    'get_sequence',
    'list_channel_accounts',
    'list_contacts',
    'list_enrollments',
    'list_sequences',
    'list_tests',
    'migrate_enrollments',
    'pause_enrollment',
    'pause_enrollments',
    'preview',
    'reconsent',
    'remove_enrollment',
    'remove_enrollments',
    'remove_member',
    'replace_sender',
    'resume_enrollment',
    'resume_enrollments',
    'retry_failed',
    'send_test',
    'set_sequence_status',
    'simulate',
    'suppress',
    'sync_whatsapp_templates',
    'suppress_many',
    'update_organization',
    'upsert_contact',
    'upsert_contacts', 'upsert_deal', 'validate_sequence', 'why'
  ]) as f (name);
insert into decisions
select
  f.name,
  array['drip_runner']
from unnest(array['advance', 'claim', 'doctor', 'hand_over', 'next_due_at', 'rebuild_rollups', 'release', 'tick']) as f (name);
insert into decisions values
('classify_hits', array['drip_app', 'drip_runner']),
('pause_lane', array['drip_app', 'drip_runner']),
('click_target', array['drip_app', 'drip_public', 'drip_runner']),
('record_click', array['drip_app', 'drip_public', 'drip_runner']),
('record_inbound', array['drip_app', 'drip_runner']),
('record_open', array['drip_app', 'drip_public', 'drip_runner']),
('record_provider_event', array['drip_app', 'drip_runner']),
('record_provider_events', array['drip_app', 'drip_runner']),
('record_account_reports', array['drip_app', 'drip_runner']),
('webhook_settings', array['drip_runner']),
('inboxes', array['drip_runner']),
('inbox_read', array['drip_runner']),
('recipient_check', array['drip_runner']),
('record_recipient_check', array['drip_runner']),
('record_connection', array['drip_runner']),
('resume_lane', array['drip_app', 'drip_runner']),
('resolve_unknown', array['drip_app', 'drip_runner']),
('unsubscribe', array['drip_app', 'drip_public', 'drip_runner']),
('unsubscribe_info', array['drip_app', 'drip_public', 'drip_runner']),
('version', array['drip_analyst', 'drip_app', 'drip_runner']),
-- for the operator alone
('apply_retention', '{}'),
('assign_secret', '{}'),
('withdraw_secret', '{}'),
('rotate_link_key', '{}'),
('create_organization', '{}');

-- internal functions are for the owners; these are called by the reporting views and by drip.doctor, which run as their caller
create temporary table internal_decisions (name text primary key, roles text[] not null) on commit drop;
insert into internal_decisions values
('now', array['drip_analyst']),
('_simulated_now', array['drip_analyst']),
('current_organization', array['drip_analyst']),
('current_profile', '{}'),
('_effective_limit', array['drip_analyst']),
('_check_engine', array['drip_runner']),
('_check_server', array['drip_runner']);

create temporary view granted as
select
  p.pronamespace::regnamespace::text as schema,
  p.proname::text as name,
  array(
    select r.name
    from unnest(array['drip_analyst', 'drip_app', 'drip_public', 'drip_runner', 'drip_simulator']) as r (name)
    where has_function_privilege(r.name, p.oid, 'execute')
    order by r.name
  ) as roles
from pg_proc as p
where p.pronamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report');

select set_eq(
  $$ select name from granted where schema = 'drip' $$,
  $$ select name from decisions $$,
  'L1: every API function has a decision on who may execute it'
);
select set_eq(
  $$ select name, roles from granted where schema = 'drip' $$,
  $$ select name, roles from decisions $$,
  'L1: every API function is executable by exactly the roles decided'
);
select set_eq(
  $$ select name, roles from granted where schema <> 'drip' and roles <> '{}' $$,
  $$ select name, roles from internal_decisions where roles <> '{}' $$,
  'L1: internal functions are executable by nobody but the owners, those of the views and of drip.doctor excepted'
);
select is_empty(
  $$ select name from granted where schema <> 'drip' and name !~ '^_' and name not in (select name from internal_decisions) $$,
  'L1: an internal function is either marked by its underscore or listed'
);
select * from finish();
rollback;
