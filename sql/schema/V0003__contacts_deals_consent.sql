-- Contacts with their tags and deals, what they consented to, and the addresses that must not be written to.
-- Locks: none that matter (new objects only).

create table drip_core.contacts (
  organization_id bigint not null constraint a_contact_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  external_id text constraint an_external_id_is_not_blank check (btrim(external_id) <> ''),
  email text constraint a_contact_email_looks_like_one check (email ~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;]+$'),
  phone text constraint a_contact_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{6,14}$'),
  email_hash bytea,
  phone_hash bytea,
  first_name text,
  last_name text,
  company text,
  timezone text,
  attributes jsonb not null default '{}' constraint contact_attributes_are_an_object check (jsonb_typeof(attributes) = 'object'),
  erased_at timestamptz,
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now(),
  constraint contacts_pkey primary key (organization_id, id),
  constraint an_external_id_names_one_contact unique (organization_id, external_id),
  constraint an_email_and_its_hash_come_together check ((email is null) = (email_hash is null)),
  constraint a_phone_and_its_hash_come_together check ((phone is null) = (phone_hash is null))
);
create index contacts_email_idx on drip_core.contacts (organization_id, email_hash, id);
create index contacts_phone_idx on drip_core.contacts (organization_id, phone_hash, id);
comment on table drip_core.contacts is 'The people that sequences write to.';
comment on column drip_core.contacts.email_hash is 'Keyed hash of the normalised address; suppressions are found by it.';
comment on column drip_core.contacts.phone_hash is 'Keyed hash of the normalised number; suppressions are found by it.';

create table drip_core.contact_tags (
  organization_id bigint not null,
  contact_id bigint not null,
  tag text not null constraint a_tag_is_not_blank check (btrim(tag) <> ''),
  created_at timestamptz not null default drip_core.now(),
  constraint contact_tags_pkey primary key (organization_id, contact_id, tag),
  constraint a_tag_belongs_to_a_contact foreign key (organization_id, contact_id)
  references drip_core.contacts (organization_id, id)
);
create index contact_tags_tag_idx on drip_core.contact_tags (organization_id, tag, contact_id);
comment on table drip_core.contact_tags is 'Tags of contacts.';

create table drip_core.deals (
  organization_id bigint not null constraint a_deal_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  external_id text constraint a_deal_external_id_is_not_blank check (btrim(external_id) <> ''),
  contact_id bigint not null,
  name text,
  stage text,
  amount numeric,
  currency text constraint a_currency_is_an_iso_code check (currency ~ '^[A-Z]{3}$'),
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now(),
  constraint deals_pkey primary key (organization_id, id),
  constraint a_deal_external_id_names_one_deal unique (organization_id, external_id),
  constraint a_deal_belongs_to_a_contact foreign key (organization_id, contact_id)
  references drip_core.contacts (organization_id, id)
);
create index deals_contact_idx on drip_core.deals (organization_id, contact_id, id);
create index deals_stage_idx on drip_core.deals (organization_id, stage, id);
comment on table drip_core.deals is 'Deals of contacts, as the host system sees them.';

create table drip_core.consent_ledger (
  organization_id bigint not null,
  id bigint generated always as identity,
  contact_id bigint not null,
  channel drip.channel not null,
  state drip.consent_state not null,
  is_effective boolean not null,
  basis text,
  source text not null,
  source_ref text,
  wording_version text,
  actor_profile_id uuid,
  actor_login name not null default session_user,
  evidence jsonb not null default '{}',
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default drip_core.now(),
  constraint consent_ledger_pkey primary key (organization_id, id),
  constraint a_consent_statement_belongs_to_a_contact foreign key (organization_id, contact_id)
  references drip_core.contacts (organization_id, id)
);
create index consent_ledger_current_idx on drip_core.consent_ledger (organization_id, contact_id, channel, id desc);
comment on table drip_core.consent_ledger is
'Append-only statements about consent. The newest effective one of a contact and channel counts; an opt-in that meets an opt-out is kept as a claim without effect.';

create table drip_core.suppressions (
  organization_id bigint not null constraint a_suppression_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  channel drip.channel not null,
  address_hash bytea not null,
  scope drip.suppression_scope not null default 'all',
  sequence_id bigint,
  reason drip.reason not null,
  evidence jsonb not null default '{}',
  created_at timestamptz not null default drip_core.now(),
  lifted_at timestamptz,
  lifted_by uuid,
  lift_evidence jsonb,
  constraint suppressions_pkey primary key (organization_id, id),
  constraint a_sequence_suppression_names_its_sequence check ((scope = 'sequence') = (sequence_id is not null)),
  constraint a_lifted_suppression_has_evidence check ((lifted_at is null) = (lift_evidence is null))
);
-- The comparison of enums is not leakproof: under row-level security it cannot use an index, so the address comes first.
create unique index suppressions_one_in_force_idx on drip_core.suppressions
(organization_id, address_hash, channel, coalesce(sequence_id, 0)) where lifted_at is null;
comment on table drip_core.suppressions is
'Addresses that must not be written to, by keyed hash: they outlive the contact. Only a re-consent with evidence lifts one.';
