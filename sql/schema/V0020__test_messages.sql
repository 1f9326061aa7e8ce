-- Tests: messages that members send to themselves to see what a step looks like. They live beside enrollments, not among
-- them, so that no count, limit or report can mistake one for a message of a campaign.
-- Locks: SHARE ROW EXCLUSIVE on sequences, steps, channel_accounts, members and contacts for an instant (new foreign keys to them); new objects. The previous version goes on working: it claims no tests.

create type drip.test_status as enum ('waiting', 'in_flight', 'sent', 'failed', 'unknown');
comment on type drip.test_status is 'State of a test message; all but waiting and in_flight are final.';
revoke all on type drip.test_status from public;

create table drip_core.test_messages (
  organization_id bigint not null,
  id bigint not null,
  test_id uuid not null default gen_random_uuid(),
  sequence_id bigint not null,
  step_id bigint not null,
  contact_id bigint not null,
  channel_account_id bigint not null,
  to_profile_id uuid not null,
  requested_by uuid,
  status drip.test_status not null default 'waiting',
  attempt smallint not null default 0 constraint attempts_of_a_test_are_few check (attempt between 0 and 3),
  due_at timestamptz,
  claim_token bigint,
  handed_over_at timestamptz,
  provider_message_id text,
  error_code text,
  error_message text,
  created_at timestamptz not null default drip_core.now(),
  settled_at timestamptz,
  constraint test_messages_pkey primary key (organization_id, id),
  constraint a_test_id_names_one_test unique (organization_id, test_id),
  constraint a_test_is_of_a_sequence foreign key (organization_id, sequence_id) references drip_core.sequences (organization_id, id),
  constraint a_test_shows_a_step foreign key (organization_id, step_id) references drip_core.steps (organization_id, id),
  constraint a_test_leaves_by_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id),
  constraint a_test_goes_to_a_member foreign key (organization_id, to_profile_id) references drip_core.members (organization_id, profile_id),
  constraint a_test_shows_a_contact foreign key (organization_id, contact_id) references drip_core.contacts (organization_id, id),
  constraint a_test_in_flight_has_a_token check (status <> 'in_flight' or claim_token is not null),
  constraint a_test_is_due_until_it_is_settled check ((due_at is null) = (settled_at is not null)),
  constraint a_settled_test_says_how_it_ended check ((settled_at is null) = (status in ('waiting', 'in_flight')))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
-- nearly always empty: the claim looks here once per call
create index test_messages_due_idx on drip_core.test_messages (due_at) where due_at is not null;
create index test_messages_settled_idx on drip_core.test_messages (settled_at) where settled_at is not null;
create index test_messages_contact_idx on drip_core.test_messages (organization_id, contact_id);
comment on table drip_core.test_messages is
'Messages that members sent to themselves: one row per test, kept for thirty days. Nothing of what was sent is stored.';
comment on column drip_core.test_messages.id is
'From the same sequence as the ids of enrollments: no number names both, so the tokens of a test lead to no contact, and runners settle it like any message.';
comment on column drip_core.test_messages.step_id is 'The step whose message it shows.';
comment on column drip_core.test_messages.contact_id is 'The contact whose data it shows; it receives nothing.';
comment on column drip_core.test_messages.to_profile_id is 'The member it goes to; the address is looked up when it is sent.';
comment on column drip_core.test_messages.requested_by is 'The person who asked for it, where a person did.';
comment on column drip_core.test_messages.due_at is 'When it can be claimed; while it is in flight, when its lease expires; null when it is over.';

create type drip.test_row as (
  test_id uuid,
  created_at timestamptz,
  sequence_key text,
  step_key text,
  contact_id bigint,
  channel_account_key text,
  to_profile_id uuid,
  status text,
  attempt int,
  settled_at timestamptz,
  error_code text,
  error_message text
);
comment on type drip.test_row is 'A test message and what became of it.';
