-- Why: WhatsApp's own state is heeded: templates that the provider refuses for now, what a number may send a day, free text
-- inside the session only, and the several names that one person has there.
-- Locks: ACCESS EXCLUSIVE on whatsapp_templates, steps and channel_accounts for an instant (columns that are null or have a
-- constant default: no rewrite); everything else is new.
-- The previous version meanwhile: works as before; it reads none of this.

-- its owner writes it here, and nobody anywhere else
alter table drip_core.reasons no force row level security;
insert into drip_core.reasons (reason, effect, ends_as, description) values
('session_closed', 'waits', null, 'A free text waits for the contact to write: only then, and for 24 hours, WhatsApp takes one.'),
('session_missed', 'skips_step', 'completed', 'A free text was left out: the contact had not written within 24 hours, and the step does not wait.');
alter table drip_core.reasons force row level security;

alter table drip_core.whatsapp_templates
add column status_at timestamptz,
add column unavailable_until timestamptz,
add column unavailable_detail text;
comment on column drip_core.whatsapp_templates.parameters is 'Keys of the values that a step must give, in order: 1, first_name, header.1, header.image, buttons.0.url.';
comment on column drip_core.whatsapp_templates.status_at is 'Since when the status is this: what was reported earlier, and comes later, changes nothing.';
comment on column drip_core.whatsapp_templates.unavailable_until is
'The provider refused the template though it was approved: not before this instant is it tried again.';
comment on column drip_core.whatsapp_templates.unavailable_detail is 'What the provider said then.';

alter table drip_core.steps add column skips_outside_session boolean not null default false;
comment on column drip_core.steps.skips_outside_session is 'A free text on WhatsApp: outside the session the step is skipped; else it waits.';

alter table drip_core.channel_accounts
add column provider_limit int constraint a_provider_limit_is_not_negative check (provider_limit >= 0),
add column provider_limit_at timestamptz;
comment on column drip_core.channel_accounts.provider_limit is
'What the provider says the sender may send a day; the lower of this and daily_limit counts. Null: it said nothing, or no limit.';
comment on column drip_core.channel_accounts.provider_limit_at is 'When it said so.';

create table drip_core.address_aliases (
  organization_id bigint not null constraint an_alias_belongs_to_an_organization references drip_core.organizations (id),
  channel drip.channel not null,
  alias_hash bytea not null,
  address_hash bytea not null,
  created_at timestamptz not null default drip_core.now(),
  constraint address_aliases_pkey primary key (organization_id, channel, alias_hash),
  constraint an_alias_is_another_name check (alias_hash <> address_hash)
);
comment on table drip_core.address_aliases is
'Other names of an address, as keyed hashes: the id that WhatsApp gives a person beside the number or instead of it.';
comment on column drip_core.address_aliases.alias_hash is 'Keyed hash of the other name.';
comment on column drip_core.address_aliases.address_hash is 'Keyed hash of the address that contacts have.';
