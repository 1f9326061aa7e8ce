-- What each member role may do, as data; the role as which a bound login acts; the audit trail of the API.
-- Locks: login_organizations and retention for a moment (both are tiny). The previous version goes on working: it reads
-- none of this, and its inserts into login_organizations get the role that changes nothing for them.

create table drip_core.role_permissions (
  permission text constraint role_permissions_pkey primary key,
  least_role drip.member_role not null
);
comment on table drip_core.role_permissions is
'What a member may do: a permission per API function (and a few finer ones), with the least of the roles that has it: owner, admin, member, viewer. Each role may do all that the ones after it may. Restated by every migration, from sql/grants/role_permissions.sql.';
comment on column drip_core.role_permissions.permission is 'Name of the API function in schema drip; assign_owner: to give or take the role owner.';
comment on column drip_core.role_permissions.least_role is 'The least role that may.';

alter table drip_core.login_organizations add column role drip.member_role not null default 'owner';
comment on column drip_core.login_organizations.role is
'The role as which the login acts in the organization. What the login claims about itself can only narrow it.';

create table drip_core.audit_entries (
  organization_id bigint not null,
  id bigint generated always as identity,
  occurred_at timestamptz not null default drip_core.now(),
  function_name text not null constraint an_audit_entry_names_a_function check (function_name ~ '^[a-z_]{1,63}$'),
  login name not null default session_user,
  profile_id uuid,
  arguments jsonb not null default '{}'
  constraint audited_arguments_are_a_small_object check (jsonb_typeof(arguments) = 'object' and octet_length(arguments::text) <= 8000),
  constraint audit_entries_pkey primary key (organization_id, id)
)
-- rows that are only added: frozen and marked visible in small steps
with (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on table drip_core.audit_entries is
'Who did what through the API: one row per call that changes something (not those of runners), written in its transaction, append-only. Ids, keys and counts, never what people are called or where they are reached: nothing here has to be erased.';
comment on column drip_core.audit_entries.login is 'session_user: the login of the service.';
comment on column drip_core.audit_entries.profile_id is 'The person on whose behalf the service called (sub of its claims), where there is one.';
comment on column drip_core.audit_entries.arguments is 'Ids, keys and counts that say what it was about.';

-- squawk-ignore ban-drop-constraint
alter table drip_core.retention drop constraint a_subject_of_retention_is_known;
alter table drip_core.retention add constraint a_subject_of_retention_is_known check (
  subject in ('audit_entries', 'event_details', 'late_results', 'message_values', 'raw_facts')
) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.retention validate constraint a_subject_of_retention_is_known;
alter table drip_core.retention add constraint the_audit_trail_is_kept_for_ninety_days_at_least
check (subject <> 'audit_entries' or keep_for >= interval '90 days') not valid;
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.retention validate constraint the_audit_trail_is_kept_for_ninety_days_at_least;
alter table drip_core.retention no force row level security;
insert into drip_core.retention (subject) values ('audit_entries');
alter table drip_core.retention force row level security;
