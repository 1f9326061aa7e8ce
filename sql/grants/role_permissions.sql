-- owner: drip_engine
-- requires: grants/tables.sql
-- What each member role may do: the decisions, restated by every migration. A permission that is not listed is nobody's but the
-- owner's. A test fails on a function of the API that has no decision.
--   viewer  reads what there is and how it goes; nothing that carries a live link of a recipient, for that can be used
--   member  the daily work: contacts, deals, sequences, enrollments, tests; may stop a sender and put addresses on the suppression list
--   admin   who and what sends, members, consent that was given again, whole persons (export, erasure), the audit trail
--   owner   in addition makes and unmakes owners
-- Services without claims are no members: what they may do is what their login was granted.
insert into drip_core.role_permissions (permission, least_role)
select
  p.permission,
  d.least_role::drip.member_role
from (
  values
  ('viewer', array[
    'enrollment_history', 'get_sequence', 'list_channel_accounts', 'list_contacts', 'list_enrollments', 'list_sequences', 'list_tests',
    'validate_sequence', 'why'
  ]),
  ('member', array[
    'apply_sequence', 'classify_hits', 'enroll', 'enroll_deals', 'enroll_many', 'enroll_tagged', 'get_message', 'migrate_enrollments',
    'pause_enrollment', 'pause_enrollments', 'pause_lane', 'preview', 'remove_enrollment', 'remove_enrollments', 'resolve_unknown',
    'resume_enrollment', 'resume_enrollments', 'retry_failed', 'send_test', 'set_sequence_status', 'simulate', 'suppress', 'suppress_many',
    'upsert_contact', 'upsert_contacts', 'upsert_deal'
  ]),
  ('admin', array[
    'add_member', 'apply_channel_account', 'apply_whatsapp_template', 'audit_log', 'erase_contact', 'export_contact', 'reconsent',
    'record_account_reports', 'record_inbound', 'record_provider_event', 'record_provider_events', 'remove_member', 'replace_sender',
    'resume_lane',
    'sync_whatsapp_templates', 'update_organization'
  ]),
  ('owner', array['assign_owner'])
) as d (least_role, permissions)
cross join lateral unnest(d.permissions) as p (permission)
on conflict on constraint role_permissions_pkey do update
  set least_role = excluded.least_role
  where role_permissions.least_role <> excluded.least_role;
