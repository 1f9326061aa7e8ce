-- Senders and their lanes, sequences with their immutable versions and steps, and the queues between both.
-- Locks: none that matter (new objects only).

create table drip_core.channel_accounts (
  organization_id bigint not null constraint an_account_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  key text not null constraint an_account_key_is_a_slug check (key ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
  channel drip.channel not null,
  provider text not null constraint a_provider_is_a_name check (provider ~ '^[a-z][a-z0-9_]{0,49}$'),
  address text not null constraint an_account_address_is_not_blank check (btrim(address) <> ''),
  display_name text,
  config jsonb not null default '{}' constraint account_config_is_an_object check (jsonb_typeof(config) = 'object'),
  secret_ref text,
  daily_limit int constraint a_daily_limit_is_not_negative check (daily_limit >= 0),
  ramp_start int constraint a_ramp_starts_at_one_or_more check (ramp_start >= 1),
  ramp_increment int constraint a_ramp_never_shrinks check (ramp_increment >= 0),
  min_gap interval constraint a_minimum_gap_is_not_negative check (min_gap >= interval '0'),
  max_gap interval,
  timezone text,
  on_unknown drip.unknown_policy not null default 'hold',
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now(),
  constraint channel_accounts_pkey primary key (organization_id, id),
  constraint an_account_key_names_one_account unique (organization_id, key),
  constraint a_gap_has_both_ends check ((min_gap is null) = (max_gap is null)),
  constraint a_gap_is_not_upside_down check (max_gap >= min_gap),
  constraint a_ramp_has_start_and_increment check ((ramp_start is null) = (ramp_increment is null))
);
comment on table drip_core.channel_accounts is 'Senders: a mailbox or a phone number, what its provider needs, and its limits. Never deleted.';
comment on column drip_core.channel_accounts.secret_ref is 'Name of the environment variable or secret file of the runner; never the secret.';

create table drip_core.lanes (
  organization_id bigint not null,
  channel_account_id bigint not null,
  status drip.lane_status not null default 'active',
  reason drip.reason,
  detail text,
  status_changed_at timestamptz not null default drip_core.now(),
  ready_at timestamptz not null default '-infinity',
  next_slot_at timestamptz,
  slot_reason drip.reason,
  counter_day date,
  used int not null default 0,
  leased int not null default 0,
  held int not null default 0,
  first_claim_day date,
  last_claimed_at timestamptz,
  last_runner text,
  constraint lanes_pkey primary key (organization_id, channel_account_id),
  constraint a_lane_belongs_to_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id),
  constraint leased_is_not_negative check (leased >= 0),
  constraint held_is_not_negative check (held >= 0),
  constraint used_covers_leased_and_held check (used >= leased + held)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
create index lanes_ready_idx on drip_core.lanes (ready_at) where status = 'active';
comment on table drip_core.lanes is
'The scheduling state of each sender: one row, locked for the moment of a claim or a settlement.';
comment on column drip_core.lanes.ready_at is 'Not before this instant is the lane worth a visit; may be too early, never too late for longer than a probe interval.';
comment on column drip_core.lanes.next_slot_at is 'Earliest next send: end of the gap, or the time a provider asked for.';
comment on column drip_core.lanes.used is 'Messages that count against the limit of counter_day: sent, in flight and held.';
comment on column drip_core.lanes.leased is 'Messages in flight: claimed and neither settled nor held.';
comment on column drip_core.lanes.held is 'Messages with unknown outcome that wait for a decision.';

create table drip_core.whatsapp_templates (
  organization_id bigint not null constraint a_template_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  name text not null,
  language text not null,
  category text,
  status text not null,
  parameter_format text not null default 'positional'
  constraint a_parameter_format_is_known check (parameter_format in ('positional', 'named')),
  components jsonb not null default '[]' constraint template_components_are_a_list check (jsonb_typeof(components) = 'array'),
  parameters text[] not null default '{}',
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now(),
  constraint whatsapp_templates_pkey primary key (organization_id, id),
  constraint a_template_is_named_once_per_language unique (organization_id, name, language)
);
comment on table drip_core.whatsapp_templates is 'WhatsApp message templates as the provider knows them.';
comment on column drip_core.whatsapp_templates.parameters is 'Names of the placeholders found in the components, in order.';

create table drip_core.sequences (
  organization_id bigint not null constraint a_sequence_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  key text not null constraint a_sequence_key_is_a_slug check (key ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
  name text not null,
  status drip.sequence_status not null,
  current_version int not null constraint a_version_counts_from_one check (current_version >= 1),
  created_at timestamptz not null default drip_core.now(),
  updated_at timestamptz not null default drip_core.now(),
  constraint sequences_pkey primary key (organization_id, id),
  constraint a_sequence_key_names_one_sequence unique (organization_id, key)
);
comment on table drip_core.sequences is 'Drip campaigns. The definition lives in immutable versions.';

create table drip_core.sequence_versions (
  organization_id bigint not null,
  sequence_id bigint not null,
  version int not null,
  definition jsonb not null,
  content_hash bytea not null,
  channels drip.channel[] not null,
  reentry drip.reentry_policy not null,
  reentry_after interval,
  on_reply drip.reply_policy not null,
  retry_backoff interval[] not null,
  step_count int not null,
  field_paths text[] not null,
  field_channels drip.channel[] not null,
  published_at timestamptz not null default drip_core.now(),
  published_by uuid,
  constraint sequence_versions_pkey primary key (organization_id, sequence_id, version),
  constraint a_version_belongs_to_a_sequence foreign key (organization_id, sequence_id)
  references drip_core.sequences (organization_id, id),
  constraint only_after_has_a_cooling_time check ((reentry = 'after') = (reentry_after is not null)),
  constraint a_version_uses_a_channel check (cardinality(channels) > 0)
);
comment on table drip_core.sequence_versions is 'What was published, once and for ever; a change is a new version.';
comment on column drip_core.sequence_versions.channels is 'Channels of the steps in order of first use; sender_ids of an enrollment has the same order.';
comment on column drip_core.sequence_versions.field_paths is 'Merge fields of contact and deal that have no default somewhere, checked at enrollment.';
comment on column drip_core.sequence_versions.field_channels is 'For each of field_paths the channel of the step that needs it.';

create table drip_core.steps (
  organization_id bigint not null,
  id bigint generated always as identity,
  sequence_id bigint not null,
  version int not null,
  step_no int not null constraint steps_count_from_one check (step_no >= 1),
  key text not null,
  channel drip.channel not null,
  channel_no int not null,
  delay_elapsed interval not null default '0',
  delay_days int not null default 0,
  thread_root_id bigint,
  subject_format text,
  text_format text,
  html_format text,
  template jsonb,
  field_paths text[] not null default '{}',
  field_defaults text[] not null default '{}',
  constraint steps_pkey primary key (organization_id, id),
  constraint a_step_number_is_used_once unique (organization_id, sequence_id, version, step_no),
  constraint a_step_key_is_used_once unique (organization_id, sequence_id, version, key),
  constraint a_step_belongs_to_a_version foreign key (organization_id, sequence_id, version)
  references drip_core.sequence_versions (organization_id, sequence_id, version),
  constraint a_thread_has_a_root foreign key (organization_id, thread_root_id)
  references drip_core.steps (organization_id, id),
  constraint each_field_has_a_default_or_null check (cardinality(field_paths) = cardinality(field_defaults))
);
comment on table drip_core.steps is 'The steps of a version, compiled at publish: templates are format() strings over the merge values.';
comment on column drip_core.steps.channel_no is 'Position of the channel in sequence_versions.channels.';
comment on column drip_core.steps.delay_elapsed is 'Part of the delay that elapses on the clock (minutes, hours).';
comment on column drip_core.steps.delay_days is 'Part of the delay in local calendar days.';
comment on column drip_core.steps.subject_format is 'format() string; arguments: values, then values for html, then values for headers.';
comment on column drip_core.steps.field_paths is 'Merge fields in the order of the format() arguments.';

create table drip_core.version_senders (
  organization_id bigint not null,
  sequence_id bigint not null,
  version int not null,
  channel drip.channel not null,
  channel_account_id bigint not null,
  weight int not null constraint a_sender_weight_is_positive check (weight between 1 and 1000000),
  constraint version_senders_pkey primary key (organization_id, sequence_id, version, channel, channel_account_id),
  constraint a_sender_serves_a_version foreign key (organization_id, sequence_id, version)
  references drip_core.sequence_versions (organization_id, sequence_id, version),
  constraint a_sender_is_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id)
);
comment on table drip_core.version_senders is 'The senders a version lists, with their weights; none listed for a channel means all active accounts of it.';

create table drip_core.queues (
  organization_id bigint not null,
  channel_account_id bigint not null,
  sequence_id bigint not null,
  is_open boolean not null,
  due_from timestamptz not null default '-infinity',
  due_from_id bigint not null default 0,
  recheck_at timestamptz not null default '-infinity',
  served_at timestamptz not null default '-infinity',
  constraint queues_pkey primary key (organization_id, channel_account_id, sequence_id),
  constraint a_queue_belongs_to_a_lane foreign key (organization_id, channel_account_id)
  references drip_core.lanes (organization_id, channel_account_id),
  constraint a_queue_belongs_to_a_sequence foreign key (organization_id, sequence_id)
  references drip_core.sequences (organization_id, id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
create index queues_sequence_idx on drip_core.queues (organization_id, sequence_id);
create index queues_recheck_idx on drip_core.queues (recheck_at);
comment on table drip_core.queues is
'Where enrollments wait: one row per lane and sequence. A closed queue (its sequence is not active) is never read by a claim.';
comment on column drip_core.queues.due_from is 'With due_from_id the place in the due index where the next scan starts, past entries that are leased or dead.';
comment on column drip_core.queues.recheck_at is 'When the queue must be read from its beginning again: an expiring lease, or the regular probe.';

create table drip_core.wakeups (
  organization_id bigint not null,
  id bigint generated always as identity,
  channel_account_id bigint not null,
  sequence_id bigint not null,
  due_at timestamptz not null,
  constraint wakeups_pkey primary key (organization_id, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
create index wakeups_lane_idx on drip_core.wakeups (organization_id, channel_account_id);
comment on table drip_core.wakeups is
'Work that became due earlier than its lane knows. Insert-only for writers, so that a long transaction of a host never locks a lane; visible exactly when its enrollments are; consumed under the lock of the lane.';
