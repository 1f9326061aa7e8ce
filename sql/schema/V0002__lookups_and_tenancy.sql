-- Lookup tables shared by all organizations, the organizations themselves, and who may speak for them.
-- Locks: none that matter (new objects only).

create table drip_core.reasons (
  reason drip.reason constraint reasons_pkey primary key,
  effect drip.reason_effect not null,
  ends_as drip.enrollment_status,
  description text not null,
  constraint a_reason_that_ends_says_as_what check (effect = 'waits' or ends_as is not null),
  constraint a_reason_never_ends_as_open check (ends_as not in ('active', 'paused'))
);
comment on table drip_core.reasons is
'What each reason does: waits (temporary), skips the step (and ends only when no later step can be delivered), or ends the enrollment, and as which status.';

insert into drip_core.reasons (reason, effect, ends_as, description) values
('opted_out', 'ends_enrollment', 'unsubscribed', 'The contact stated that it does not want this channel, or gave no consent where it is required.'),
('unsubscribed', 'ends_enrollment', 'unsubscribed', 'The contact unsubscribed.'),
('suppressed', 'ends_enrollment', 'exited', 'The address is on the suppression list.'),
('complained', 'ends_enrollment', 'unsubscribed', 'The contact reported a message as spam.'),
('bounced', 'ends_enrollment', 'bounced', 'Mail to the address came back for good.'),
('invalid_address', 'ends_enrollment', 'bounced', 'The provider says that the address does not exist.'),
('no_address', 'skips_step', 'failed', 'The contact has no address for the channel of the step.'),
('missing_field', 'ends_enrollment', 'failed', 'A merge field without default has no value.'),
('template_unavailable', 'waits', null, 'The WhatsApp template is not approved at the moment.'),
('sender_paused', 'waits', null, 'The sender is paused by an operator.'),
('sender_blocked', 'waits', null, 'The account of the sender is in trouble.'),
('daily_limit', 'waits', null, 'The sender has used its messages of the local day.'),
('pacing', 'waits', null, 'The gap between two messages of the sender has not passed.'),
('window_closed', 'waits', null, 'The sending window is closed.'),
('throttled', 'waits', null, 'The provider asked to slow down or could not be reached.'),
('contact_cap', 'waits', null, 'The contact has received its messages of the day or week.'),
('sequence_paused', 'waits', null, 'The sequence is paused.'),
('sequence_archived', 'ends_enrollment', 'exited', 'The sequence was archived.'),
('replied', 'ends_enrollment', 'exited', 'The contact replied.'),
('auto_replied', 'waits', null, 'An automatic reply said that the contact is away.'),
('deal_created', 'ends_enrollment', 'exited', 'A deal was created for the contact.'),
('deal_stage', 'ends_enrollment', 'exited', 'A deal of the contact reached a stage that ends the sequence.'),
('goal_reached', 'ends_enrollment', 'exited', 'The goal of the sequence was reached.'),
('retries_exhausted', 'ends_enrollment', 'failed', 'The last attempt failed as well.'),
('rejected_content', 'ends_enrollment', 'failed', 'The provider refused this message for its content.'),
('rejected_policy', 'ends_enrollment', 'failed', 'The provider refused this message by policy.'),
('outcome_unknown', 'waits', null, 'Nobody knows whether the provider took the message.'),
('erased', 'ends_enrollment', 'removed', 'The contact was erased.'),
('manual', 'ends_enrollment', 'removed', 'A person decided it.');

create table drip_core.status_transitions (
  from_status drip.enrollment_status not null,
  to_status drip.enrollment_status not null,
  event_type drip.event_type not null,
  constraint status_transitions_pkey primary key (from_status, to_status),
  constraint only_open_enrollments_change check (from_status in ('active', 'paused')),
  constraint a_transition_changes_something check (from_status <> to_status)
);
comment on table drip_core.status_transitions is
'The legal changes of an enrollment''s status and the event each one writes; what is not listed is refused by trigger.';

insert into drip_core.status_transitions (from_status, to_status, event_type) values
('active', 'paused', 'paused'),
('active', 'completed', 'completed'),
('active', 'failed', 'failed'),
('active', 'exited', 'exited'),
('active', 'removed', 'removed'),
('active', 'bounced', 'bounced'),
('active', 'unsubscribed', 'unsubscribed'),
('paused', 'active', 'resumed'),
('paused', 'completed', 'completed'),
('paused', 'failed', 'failed'),
('paused', 'exited', 'exited'),
('paused', 'removed', 'removed'),
('paused', 'bounced', 'bounced'),
('paused', 'unsubscribed', 'unsubscribed');

create table drip_core.timezones (
  name text constraint timezones_pkey primary key
);
comment on table drip_core.timezones is
'Zone names of this server that a contact, account or organization may have; a copy of pg_timezone_names, which is too slow to ask per row.';

insert into drip_core.timezones (name)
select tz.name
from pg_catalog.pg_timezone_names as tz
where tz.name in ('UTC', 'GMT') or (tz.name like '%/%' and tz.name not like 'posix/%' and tz.name not like 'right/%');

create table drip_core.secret_keys (
  id smallint constraint secret_keys_pkey primary key,
  purpose text not null constraint a_key_has_a_known_purpose check (purpose in ('link', 'address')),
  inner_pad bytea not null constraint an_inner_pad_is_one_block check (octet_length(inner_pad) = 64),
  outer_pad bytea not null constraint an_outer_pad_is_one_block check (octet_length(outer_pad) = 64),
  is_current boolean not null default true,
  created_at timestamptz not null default drip_core.now(),
  constraint a_key_id_fits_one_byte check (id between 1 and 255)
);
create unique index secret_keys_one_current_per_purpose_idx on drip_core.secret_keys (purpose) where is_current;
comment on table drip_core.secret_keys is
'The link-signing key and the address-hash key, as HMAC-SHA256 pads. Readable by definer functions of the owners only; retired keys stay so that old links work for ever.';

create table drip_core.organizations (
  id bigint generated always as identity constraint organizations_pkey primary key,
  name text not null constraint an_organization_has_a_name check (btrim(name) <> ''),
  timezone text not null default 'UTC',
  postal_address text,
  public_base_url text constraint a_public_base_url_is_http check (public_base_url ~ '^https?://[^[:space:]]+[^/]$'),
  require_opt_in boolean not null default false,
  holidays date[] not null default '{}',
  settings jsonb not null default '{}' constraint organization_settings_are_an_object check (jsonb_typeof(settings) = 'object'),
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now()
);
comment on table drip_core.organizations is 'The tenants. Everything but lookups belongs to exactly one organization.';
comment on column drip_core.organizations.settings is 'Settings as they were given, for reading back; what the engine reads has a column of its own.';

create table drip_core.profiles (
  id uuid constraint profiles_pkey primary key,
  created_at timestamptz not null default drip_core.now()
);
comment on table drip_core.profiles is 'People who use the product. Nothing but an id: addresses belong to the membership.';

create table drip_core.members (
  organization_id bigint not null constraint a_member_belongs_to_an_organization references drip_core.organizations (id),
  profile_id uuid not null constraint a_member_is_a_profile references drip_core.profiles (id),
  role drip.member_role not null,
  email text not null constraint a_member_has_an_email check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  phone text constraint a_member_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{6,14}$'),
  created_at timestamptz not null default drip_core.now(),
  constraint members_pkey primary key (organization_id, profile_id)
);
create index members_profile_idx on drip_core.members (profile_id);
comment on table drip_core.members is 'Profiles of an organization, with their role and the addresses that test messages may go to.';

create table drip_core.login_organizations (
  organization_id bigint not null constraint a_bound_login_names_an_organization references drip_core.organizations (id),
  login name not null,
  constraint login_organizations_pkey primary key (organization_id, login)
);
create index login_organizations_login_idx on drip_core.login_organizations (login);
comment on table drip_core.login_organizations is
'Database logins that are bound to organizations: such a login can name no other, whatever settings it makes.';
