-- Gateways of WhatsApp Web: whether an address can be reached there is asked once and kept; whether the gateway is connected
-- steers its lane.
-- Locks: access exclusive on lanes for a moment (new columns are null or have a constant default: no rewrite).
-- The previous version meanwhile: works as before; it asks nothing and never releases what a lost connection stopped.

-- its owner writes it here, and nobody anywhere else
alter table drip_core.reasons no force row level security;
insert into drip_core.reasons (reason, effect, ends_as, description) values
('not_on_whatsapp', 'skips_step', 'failed', 'The number of the contact is not on WhatsApp.');
alter table drip_core.reasons force row level security;

create type drip.connection_state as enum ('connected', 'disconnected', 'banned');
comment on type drip.connection_state is 'What a gateway says of its session: it can send, it cannot for now, or WhatsApp has shut it out.';

create table drip_core.address_checks (
  organization_id bigint not null,
  contact_id bigint not null,
  channel drip.channel not null,
  address_hash bytea not null,
  is_reachable boolean not null,
  provider_address text constraint a_provider_address_is_short check (length(provider_address) between 1 and 200),
  alias text constraint an_alias_is_short check (length(alias) between 1 and 200),
  channel_account_id bigint not null,
  checked_at timestamptz not null default drip_core.now(),
  constraint address_checks_pkey primary key (organization_id, contact_id, channel),
  constraint an_address_check_belongs_to_a_contact foreign key (organization_id, contact_id)
  references drip_core.contacts (organization_id, id),
  constraint an_address_check_was_made_by_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index address_checks_alias_idx on drip_core.address_checks (organization_id, alias) where alias is not null;
comment on table drip_core.address_checks is
'What a channel said of a contact''s address, asked once: whether it can be reached there, and how the channel itself names it.';
comment on column drip_core.address_checks.address_hash is 'Keyed hash of the address that was asked about: another address is asked about anew.';
comment on column drip_core.address_checks.provider_address is 'Under which name the channel wants messages to it: a chat id; null: as it is.';
comment on column drip_core.address_checks.alias is 'Another name under which the channel lets the person write: a hidden id; null: none is known.';
comment on column drip_core.address_checks.channel_account_id is 'The sender by which it was asked.';

alter table drip_core.lanes
add column connection drip.connection_state,
add column connection_at timestamptz,
add column resumes_on_connect boolean not null default false;
comment on column drip_core.lanes.connection is 'What the gateway said last of its session; null: nothing.';
comment on column drip_core.lanes.connection_at is 'The gateway''s own time of that: what it said before is told too late.';
comment on column drip_core.lanes.resumes_on_connect is 'It is blocked because its session was gone, and for nothing else: its return lets it send again.';
