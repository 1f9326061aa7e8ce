-- Enrollments, the messages they led to, and the one history of facts.
-- Locks: none that matter (new objects only).

create table drip_core.enrollments (
  organization_id bigint not null,
  id bigint generated always as identity,
  sequence_id bigint not null,
  version int not null,
  contact_id bigint not null,
  deal_id bigint,
  entry_no int not null constraint entries_count_from_one check (entry_no >= 1),
  status drip.enrollment_status not null default 'active',
  status_reason drip.reason,
  status_note text,
  status_changed_at timestamptz not null default drip_core.now(),
  step_id bigint,
  channel_account_id bigint,
  sender_ids bigint[] not null,
  next_step_at timestamptz,
  attempt smallint not null default 0 constraint attempts_count_from_zero check (attempt >= 0),
  claim_token bigint,
  lease_expires_at timestamptz,
  handed_over_at timestamptz,
  merge_values jsonb,
  source text not null,
  enrolled_by uuid,
  removed_by uuid,
  enrolled_at timestamptz not null default drip_core.now(),
  constraint enrollments_pkey primary key (organization_id, id),
  constraint an_entry_is_unique unique (organization_id, contact_id, sequence_id, entry_no),
  constraint an_enrollment_belongs_to_a_version foreign key (organization_id, sequence_id, version)
  references drip_core.sequence_versions (organization_id, sequence_id, version),
  constraint an_enrollment_is_of_a_contact foreign key (organization_id, contact_id)
  references drip_core.contacts (organization_id, id),
  constraint an_enrollment_may_have_a_deal foreign key (organization_id, deal_id)
  references drip_core.deals (organization_id, id),
  constraint an_enrollment_points_at_a_step foreign key (organization_id, step_id)
  references drip_core.steps (organization_id, id),
  constraint an_enrollment_waits_in_a_lane foreign key (organization_id, channel_account_id)
  references drip_core.lanes (organization_id, channel_account_id),
  constraint an_open_enrollment_has_step_and_sender
  check (status not in ('active', 'paused') or (step_id is not null and channel_account_id is not null)),
  constraint an_ended_enrollment_has_no_next_step_at check (status in ('active', 'paused') or next_step_at is null),
  constraint a_lease_has_a_token check (lease_expires_at is null or claim_token is not null),
  constraint no_clock_means_held
  check (status not in ('active', 'paused') or next_step_at is not null or (claim_token is not null and lease_expires_at is null))
)
-- room for a second version of every row of a page: a claim takes neighbours, and its update must find place beside them (HOT)
with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
create unique index enrollments_one_open_per_contact on drip_core.enrollments
(organization_id, sequence_id, contact_id) where status in ('active', 'paused');
create index enrollments_due_idx on drip_core.enrollments
(organization_id, channel_account_id, sequence_id, next_step_at, id)
where status = 'active' and next_step_at is not null;
create index enrollments_deal_idx on drip_core.enrollments (organization_id, deal_id) where deal_id is not null;
comment on table drip_core.enrollments is 'One contact going through one version of a sequence.';
comment on column drip_core.enrollments.version is 'The version at enrollment: the reporting cohort. The step says which version is being followed.';
comment on column drip_core.enrollments.status_note is 'What a person gave as the reason, in free words.';
comment on column drip_core.enrollments.channel_account_id is 'The lane of the next step.';
comment on column drip_core.enrollments.sender_ids is 'The sender chosen for each channel of the version, for life; positions as in sequence_versions.channels.';
comment on column drip_core.enrollments.next_step_at is 'The one clock; null when ended, or held with an unknown outcome.';
comment on column drip_core.enrollments.attempt is 'Failed attempts of the current step.';
comment on column drip_core.enrollments.claim_token is 'The fencing token of the message in flight or held; null when nothing is unsettled.';
comment on column drip_core.enrollments.merge_values is 'The merge values of the message in flight; they move into the message when it is settled.';

create sequence drip_core.claim_tokens as bigint;
comment on sequence drip_core.claim_tokens is 'Fencing tokens: each claim takes the next one.';

create table drip_core.messages (
  organization_id bigint not null,
  enrollment_id bigint not null,
  step_id bigint not null,
  contact_id bigint not null,
  sequence_id bigint not null,
  version int not null,
  channel drip.channel not null,
  channel_account_id bigint not null,
  status drip.message_status not null,
  reason drip.reason,
  attempts smallint not null,
  settled_at timestamptz not null,
  lane_day date not null,
  provider_message_id text,
  merge_values jsonb not null,
  error_code text,
  error_message text,
  constraint messages_pkey primary key (organization_id, enrollment_id, step_id),
  constraint a_message_belongs_to_an_enrollment foreign key (organization_id, enrollment_id)
  references drip_core.enrollments (organization_id, id),
  constraint a_message_is_of_a_step foreign key (organization_id, step_id)
  references drip_core.steps (organization_id, id),
  constraint a_message_leaves_by_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id),
  constraint a_failed_message_has_a_reason check ((status = 'failed') = (reason is not null))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index messages_provider_id_idx on drip_core.messages (organization_id, provider_message_id)
where provider_message_id is not null;
comment on table drip_core.messages is 'One row per settled message: enrollment and step. Bodies are not copied: version and merge values reproduce them.';
comment on column drip_core.messages.settled_at is 'When the provider took it, or when it was given up.';
comment on column drip_core.messages.version is 'The version at enrollment: the reporting cohort.';
comment on column drip_core.messages.lane_day is 'The local day of the sender whose limit the message counts against.';
comment on column drip_core.messages.provider_message_id is 'The id given by the provider; null where it is our own message token.';

create table drip_core.held_messages (
  organization_id bigint not null,
  enrollment_id bigint not null,
  step_id bigint not null,
  channel_account_id bigint not null,
  claim_token bigint not null,
  attempt smallint not null,
  merge_values jsonb,
  handed_over_at timestamptz,
  held_at timestamptz not null,
  error_code text,
  error_message text,
  constraint held_messages_pkey primary key (organization_id, enrollment_id),
  constraint a_held_message_belongs_to_an_enrollment foreign key (organization_id, enrollment_id)
  references drip_core.enrollments (organization_id, id)
);
create index held_messages_lane_idx on drip_core.held_messages (organization_id, channel_account_id);
comment on table drip_core.held_messages is 'Messages whose outcome nobody knows: not repeated by themselves, settled by a fact or an operator.';

create table drip_core.detached_claims (
  organization_id bigint not null,
  enrollment_id bigint not null,
  channel_account_id bigint not null,
  claim_token bigint not null,
  lease_expires_at timestamptz not null,
  constraint detached_claims_pkey primary key (organization_id, enrollment_id, claim_token)
);
create index detached_claims_expiry_idx on drip_core.detached_claims (lease_expires_at);
comment on table drip_core.detached_claims is
'Claims whose enrollment left the due index while in flight (paused, ended): where their expiry is found.';

create table drip_core.late_results (
  organization_id bigint not null,
  id bigint generated always as identity,
  enrollment_id bigint not null,
  claim_token bigint,
  outcome drip.send_outcome not null,
  provider_message_id text,
  error_code text,
  error_message text,
  occurred_at timestamptz,
  recorded_at timestamptz not null default drip_core.now(),
  constraint late_results_pkey primary key (organization_id, id)
);
create index late_results_enrollment_idx on drip_core.late_results (organization_id, enrollment_id);
comment on table drip_core.late_results is 'What a provider said of a message whose claim had been superseded: nothing changes, nothing is forgotten.';

create sequence drip_core.event_ids as bigint;
comment on sequence drip_core.event_ids is 'Ids of events.';

-- No foreign keys: only the engine writes here, from rows that have them, and dropping a month must not wait for them.
create table drip_core.events (
  organization_id bigint not null,
  id bigint not null default nextval('drip_core.event_ids'),
  recorded_at timestamptz not null default drip_core.now(),
  occurred_at timestamptz not null,
  type drip.event_type not null,
  reason drip.reason,
  enrollment_id bigint,
  contact_id bigint,
  sequence_id bigint,
  version int,
  step_id bigint,
  channel drip.channel,
  channel_account_id bigint,
  actor_profile_id uuid,
  is_machine boolean,
  is_test boolean not null default false,
  data jsonb,
  constraint events_pkey primary key (organization_id, recorded_at, id)
) partition by range (recorded_at);
create index events_enrollment_idx on drip_core.events (organization_id, enrollment_id, id);
create table drip_core.events_default partition of drip_core.events default;
comment on table drip_core.events is 'The one history: append-only, typed facts, partitioned by the month they were recorded.';
comment on column drip_core.events.occurred_at is 'When the fact happened, in its own time.';
comment on column drip_core.events.version is 'The version at enrollment: the reporting cohort. The step says which version was followed.';
comment on column drip_core.events.is_machine is 'For opens and clicks: made by a machine (scanner, proxy, prefetch).';
comment on table drip_core.events_default is 'Events of months for which no partition was made ahead: an insert never fails for want of one.';

alter sequence drip_core.event_ids owned by drip_core.events.id;
