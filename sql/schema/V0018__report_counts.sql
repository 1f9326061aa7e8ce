-- Why: reports are read from counts that are kept as facts arrive, not from the facts. Whoever writes a fact writes what it
-- changes in the counts (report_deltas: rows of its own, so nobody waits for anybody); drip.tick adds those up in report_cells.
-- A report is the sum of both, and equal to the facts at every instant. report_facts knows of each enrollment what has been
-- counted once already, so that the second open of a message counts no more, also when the first is in a month long gone.
-- What was written before is counted by drip.tick, an organization per call; until then the reports show what came since.
-- Locks: ACCESS EXCLUSIVE on organizations for an instant; everything else is new.
-- The previous version meanwhile: works as before; it reads none of this.

create table drip_core.report_deltas (
  organization_id bigint not null,
  id bigint generated always as identity,
  scope text constraint a_delta_is_of_one_scope_or_of_all check (scope in ('cohort', 'step', 'day', 'outcome')),
  sequence_id bigint not null,
  version int not null,
  cohort_day date,
  day date,
  step_id bigint,
  channel_account_id bigint,
  subject text,
  outcome drip.event_type,
  reason drip.reason,
  error_code text,
  enrolled int not null default 0,
  active int not null default 0,
  paused int not null default 0,
  completed int not null default 0,
  failed int not null default 0,
  exited int not null default 0,
  removed int not null default 0,
  bounced int not null default 0,
  unsubscribed int not null default 0,
  contacted int not null default 0,
  sender_contacted int not null default 0,
  channel_contacted int not null default 0,
  messages_sent int not null default 0,
  messages_failed int not null default 0,
  reached int not null default 0,
  skipped int not null default 0,
  delivered int not null default 0,
  messages_bounced int not null default 0,
  messages_opened int not null default 0,
  messages_clicked int not null default 0,
  machine_opens int not null default 0,
  machine_clicks int not null default 0,
  replies int not null default 0,
  unsubscribes int not null default 0,
  complaints int not null default 0,
  conversions int not null default 0,
  step_replies int not null default 0,
  step_unsubscribes int not null default 0,
  step_complaints int not null default 0,
  step_conversions int not null default 0,
  sender_replies int not null default 0,
  sender_unsubscribes int not null default 0,
  sender_complaints int not null default 0,
  sender_conversions int not null default 0,
  channel_replies int not null default 0,
  channel_unsubscribes int not null default 0,
  channel_complaints int not null default 0,
  channel_conversions int not null default 0,
  auto_replies int not null default 0,
  occurrences int not null default 0,
  constraint report_deltas_pkey primary key (organization_id, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on table drip_core.report_deltas is
'What facts have changed in the counts of the reports, in the transaction that wrote the fact; drip.tick adds it to report_cells. Insert-only for writers.';
comment on column drip_core.report_deltas.scope is 'Null: a fact, it counts in every scope; else a correction of that scope alone.';
comment on column drip_core.report_deltas.cohort_day is 'Local day on which the enrollment was enrolled.';
comment on column drip_core.report_deltas.day is 'Local day of the fact.';
comment on column drip_core.report_deltas.subject is 'Of a count by reason: message or enrollment.';
comment on column drip_core.report_deltas.outcome is 'Of a count by reason: the kind of event.';

create table drip_core.report_cells (
  organization_id bigint not null,
  id bigint generated always as identity,
  scope text not null constraint a_scope_is_known check (scope in ('cohort', 'step', 'day', 'outcome')),
  sequence_id bigint not null,
  version int not null,
  day date,
  step_id bigint,
  channel_account_id bigint,
  subject text,
  outcome drip.event_type,
  reason drip.reason,
  error_code text,
  enrolled int not null default 0,
  active int not null default 0,
  paused int not null default 0,
  completed int not null default 0,
  failed int not null default 0,
  exited int not null default 0,
  removed int not null default 0,
  bounced int not null default 0,
  unsubscribed int not null default 0,
  contacted int not null default 0,
  sender_contacted int not null default 0,
  channel_contacted int not null default 0,
  messages_sent int not null default 0,
  messages_failed int not null default 0,
  reached int not null default 0,
  skipped int not null default 0,
  delivered int not null default 0,
  messages_bounced int not null default 0,
  messages_opened int not null default 0,
  messages_clicked int not null default 0,
  machine_opens int not null default 0,
  machine_clicks int not null default 0,
  replies int not null default 0,
  unsubscribes int not null default 0,
  complaints int not null default 0,
  conversions int not null default 0,
  step_replies int not null default 0,
  step_unsubscribes int not null default 0,
  step_complaints int not null default 0,
  step_conversions int not null default 0,
  sender_replies int not null default 0,
  sender_unsubscribes int not null default 0,
  sender_complaints int not null default 0,
  sender_conversions int not null default 0,
  channel_replies int not null default 0,
  channel_unsubscribes int not null default 0,
  channel_complaints int not null default 0,
  channel_conversions int not null default 0,
  auto_replies int not null default 0,
  occurrences int not null default 0,
  constraint report_cells_pkey primary key (organization_id, id),
  constraint report_cells_are_kept_once unique nulls not distinct (
    organization_id, scope, sequence_id, version, day, step_id, channel_account_id, subject, outcome, reason, error_code
  )
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
comment on table drip_core.report_cells is
'The counts of the reports as of the last drip.tick: by cohort (sequence, version, local day of enrollment), by step and sender, by local day of the fact, and by outcome and reason.';
comment on column drip_core.report_cells.day is 'Of scope cohort: the day of enrollment; of day and outcome: the day of the fact; of step: null.';
comment on column drip_core.report_cells.version is 'The version at enrollment: the cohort.';
comment on column drip_core.report_cells.enrolled is 'Enrollments created.';
comment on column drip_core.report_cells.active is 'Enrollments that became active, less those that are it no longer.';
comment on column drip_core.report_cells.paused is 'Enrollments that became paused, less those that are it no longer.';
comment on column drip_core.report_cells.completed is 'Enrollments that became completed, less those that are it no longer.';
comment on column drip_core.report_cells.failed is 'Enrollments that became failed, less those that are it no longer.';
comment on column drip_core.report_cells.exited is 'Enrollments that became exited, less those that are it no longer.';
comment on column drip_core.report_cells.removed is 'Enrollments that became removed, less those that are it no longer.';
comment on column drip_core.report_cells.bounced is 'Enrollments that became bounced, less those that are it no longer.';
comment on column drip_core.report_cells.unsubscribed is 'Enrollments that became unsubscribed, less those that are it no longer.';
comment on column drip_core.report_cells.contacted is 'Enrollments whose first message was sent.';
comment on column drip_core.report_cells.sender_contacted is 'Enrollments whose first message by this sender was sent.';
comment on column drip_core.report_cells.channel_contacted is 'Enrollments whose first message by this channel was sent.';
comment on column drip_core.report_cells.messages_sent is 'Messages a provider accepted.';
comment on column drip_core.report_cells.messages_failed is 'Messages given up.';
comment on column drip_core.report_cells.reached is 'Enrollments for which the step was sent or skipped.';
comment on column drip_core.report_cells.skipped is 'Enrollments for which the step was skipped.';
comment on column drip_core.report_cells.delivered is 'Sent messages whose delivery was confirmed.';
comment on column drip_core.report_cells.messages_bounced is 'Sent messages that came back.';
comment on column drip_core.report_cells.messages_opened is 'Sent messages that did not come back, with a human open.';
comment on column drip_core.report_cells.messages_clicked is 'Sent messages that did not come back, with a human click.';
comment on column drip_core.report_cells.machine_opens is 'Sent messages opened by a machine.';
comment on column drip_core.report_cells.machine_clicks is 'Sent messages whose link a machine followed.';
comment on column drip_core.report_cells.replies is 'Contacted enrollments with a human reply.';
comment on column drip_core.report_cells.unsubscribes is 'Contacted enrollments with an unsubscribe.';
comment on column drip_core.report_cells.complaints is 'Contacted enrollments with a complaint.';
comment on column drip_core.report_cells.conversions is 'Contacted enrollments with a conversion.';
comment on column drip_core.report_cells.step_replies is 'Enrollments with a human reply that answers this step.';
comment on column drip_core.report_cells.step_unsubscribes is 'Enrollments with an unsubscribe that answers this step.';
comment on column drip_core.report_cells.step_complaints is 'Enrollments with a complaint that answers this step.';
comment on column drip_core.report_cells.step_conversions is 'Enrollments with a conversion that answers this step.';
comment on column drip_core.report_cells.sender_replies is 'Enrollments with a human reply that answers a message of this sender.';
comment on column drip_core.report_cells.sender_unsubscribes is 'Enrollments with an unsubscribe that answers a message of this sender.';
comment on column drip_core.report_cells.sender_complaints is 'Enrollments with a complaint that answers a message of this sender.';
comment on column drip_core.report_cells.sender_conversions is 'Enrollments with a conversion that answers a message of this sender.';
comment on column drip_core.report_cells.channel_replies is 'Enrollments with a human reply that answers a message of this channel.';
comment on column drip_core.report_cells.channel_unsubscribes is 'Enrollments with an unsubscribe that answers a message of this channel.';
comment on column drip_core.report_cells.channel_complaints is 'Enrollments with a complaint that answers a message of this channel.';
comment on column drip_core.report_cells.channel_conversions is 'Enrollments with a conversion that answers a message of this channel.';
comment on column drip_core.report_cells.auto_replies is 'Automatic replies.';
comment on column drip_core.report_cells.occurrences is 'Events with this outcome, reason and error code.';

create table drip_core.report_facts (
  organization_id bigint not null,
  enrollment_id bigint not null,
  kinds text[] not null,
  step_ids bigint[] not null,
  first_at timestamptz[] not null,
  constraint report_facts_pkey primary key (organization_id, enrollment_id),
  constraint report_facts_are_parallel check (cardinality(kinds) = cardinality(step_ids) and cardinality(kinds) = cardinality(first_at))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
comment on table drip_core.report_facts is
'What is counted once: of an enrollment each kind of fact about each of its steps, and when it first happened. A row per enrollment of which there is such a fact.';
comment on column drip_core.report_facts.kinds is
'skipped, delivered, bounced, opened, clicked, machine_opened, machine_clicked, replied, unsubscribed, complained or converted.';
comment on column drip_core.report_facts.step_ids is 'For each kind the step it is about; 0: of none.';
comment on column drip_core.report_facts.first_at is 'For each kind when it first happened.';

create table drip_core.report_builds (
  organization_id bigint constraint report_builds_pkey primary key
  constraint a_build_is_of_an_organization references drip_core.organizations (id)
);
comment on table drip_core.report_builds is 'Organizations from before there were counts: drip.tick counts them, one per call.';
-- its owner reads all of them here, and nowhere else
alter table drip_core.organizations no force row level security;
insert into drip_core.report_builds (organization_id) select o.id from drip_core.organizations as o;
alter table drip_core.organizations force row level security;

create table drip_core.report_conversions (
  organization_id bigint not null,
  id bigint not null,
  enrollment_id bigint not null,
  contact_id bigint not null,
  sequence_id bigint not null,
  version int not null,
  step_id bigint,
  channel_account_id bigint,
  converted_at timestamptz not null,
  deal_id bigint,
  amount numeric,
  currency text,
  constraint report_conversions_pkey primary key (organization_id, id)
);
comment on table drip_core.report_conversions is 'Each conversion with its value and the message that it follows; kept when the month of its event is gone.';
comment on column drip_core.report_conversions.id is 'Id of its event.';

create type drip_core.report_fact as (enrollment_id bigint, kind text, step_id bigint, first_at timestamptz);
comment on type drip_core.report_fact is 'A kind of fact about a step of an enrollment (0: about none), and when it first happened.';
