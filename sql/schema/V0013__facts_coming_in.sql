-- Why: a sequence is as good as its ears. What people, providers and the host system say lands in tables of its own, before
-- anything is made of it: replies, delivery facts, opens and clicks; what could not be made of it is kept, and tried again.
-- Locks: ACCESS EXCLUSIVE on organizations, sequence_versions, steps, deals and lanes for an instant (columns that are null
-- or have a constant default: no rewrite); everything else is new.
-- The previous version meanwhile: works as before; it reads none of this.

-- its owner writes it here, and nobody anywhere else
alter table drip_core.reasons no force row level security;
insert into drip_core.reasons (reason, effect, ends_as, description) values
('soft_bounced', 'waits', null, 'The address could not be reached for now: mailbox full, system down.');
alter table drip_core.reasons force row level security;

create type drip.inbound_class as enum (
  'human', 'auto_reply', 'out_of_office', 'unsubscribe_request', 'delivery_report', 'complaint', 'list'
);
comment on type drip.inbound_class is 'What an inbound message is: written by a person, or by which kind of machine.';

create type drip.provider_fact as enum (
  'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained', 'unsubscribed', 'failed', 'deferred'
);
comment on type drip.provider_fact is 'What a provider can report of a message after it took it.';

create type drip.fact_state as enum ('pending', 'applied', 'parked', 'ignored', 'unmatched');
comment on type drip.fact_state is
'What became of a fact that came in: not yet, done, early (its message is not settled yet), of no consequence, or of no message that is known.';

create type drip.fact_kind as enum ('inbound', 'provider_event', 'deal', 'tag');
comment on type drip.fact_kind is 'The kinds of writes that campaign logic reacts to.';

create table drip_core.inbound_messages (
  organization_id bigint not null constraint an_inbound_message_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  channel drip.channel not null,
  external_id text not null,
  class drip.inbound_class,
  state drip.fact_state not null default 'pending',
  from_address text,
  to_address text,
  from_hash bytea,
  in_reply_to text[] not null default '{}',
  subject text,
  text_body text,
  headers jsonb not null default '{}' constraint inbound_headers_are_an_object check (jsonb_typeof(headers) = 'object'),
  received_at timestamptz not null,
  recorded_at timestamptz not null default drip_core.now(),
  contact_id bigint,
  enrollment_id bigint,
  step_id bigint,
  attributed_by text constraint an_attribution_is_known check (attributed_by in ('token', 'provider_id', 'address')),
  next_try_at timestamptz,
  constraint inbound_messages_pkey primary key (organization_id, id),
  constraint an_inbound_message_lands_once unique (organization_id, external_id, channel)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index inbound_messages_contact_idx on drip_core.inbound_messages (organization_id, contact_id) where contact_id is not null;
create index inbound_messages_from_idx on drip_core.inbound_messages (organization_id, from_hash) where from_hash is not null;
create index inbound_messages_parked_idx on drip_core.inbound_messages (next_try_at) where state = 'parked';
comment on table drip_core.inbound_messages is 'What people (and their machines) wrote to us: one row each, landed before anything is made of it.';
comment on column drip_core.inbound_messages.external_id is 'Names the message for good: as given, else its Message-ID, else a hash of what was given.';
comment on column drip_core.inbound_messages.from_hash is 'Keyed hash of the sender''s address, as contacts and suppressions have it.';
comment on column drip_core.inbound_messages.attributed_by is
'How the message that it answers was found: by our token, by the id of a provider, or (inferred) as the last one to that address.';

comment on column drip_core.inbound_messages.next_try_at is 'When drip.tick looks again at an absence note that came while a message was in flight.';

create table drip_core.provider_events (
  organization_id bigint not null constraint a_provider_event_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  dedupe_key text not null,
  type drip.provider_fact not null,
  state drip.fact_state not null default 'pending',
  reason drip.reason,
  message_token text,
  provider_message_id text,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default drip_core.now(),
  detail jsonb not null default '{}' constraint provider_event_detail_is_an_object check (jsonb_typeof(detail) = 'object'),
  enrollment_id bigint,
  step_id bigint,
  contact_id bigint,
  channel_account_id bigint,
  needs_guard boolean not null default false,
  next_try_at timestamptz,
  constraint provider_events_pkey primary key (organization_id, id),
  constraint a_provider_event_lands_once unique (organization_id, dedupe_key)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index provider_events_parked_idx on drip_core.provider_events (next_try_at) where state = 'parked';
create index provider_events_enrollment_idx on drip_core.provider_events (organization_id, enrollment_id) where enrollment_id is not null;
create index provider_events_faults_idx on drip_core.provider_events (organization_id, channel_account_id, occurred_at)
where type in ('bounced', 'complained', 'failed') and channel_account_id is not null;
create index provider_events_unmatched_idx on drip_core.provider_events (organization_id, id) where state in ('parked', 'unmatched');
create index provider_events_guard_idx on drip_core.provider_events (recorded_at) where needs_guard;
comment on table drip_core.provider_events is
'What providers reported of messages, one row each, with what they said; early ones wait here for their message, unknown ones stay visible.';
comment on column drip_core.provider_events.dedupe_key is 'The id that the provider gave the report, else a hash of what it says: a second copy of it changes nothing.';
comment on column drip_core.provider_events.channel_account_id is 'The sender that the fact counts for.';
comment on column drip_core.provider_events.needs_guard is 'It counts against its sender, and drip.tick has not looked at the rates of that since.';
comment on column drip_core.provider_events.next_try_at is 'When drip.tick looks for the message of an early fact again.';

create table drip_core.bounce_codes (
  code text constraint bounce_codes_pkey primary key,
  reason drip.reason not null
);
comment on table drip_core.bounce_codes is
'What an enhanced status code (RFC 3463) means for the address: the code, else its class and subject, else its class.';
insert into drip_core.bounce_codes (code, reason) values
('4', 'soft_bounced'), ('5', 'soft_bounced'),
('5.1.0', 'invalid_address'), ('5.1.1', 'invalid_address'), ('5.1.2', 'invalid_address'), ('5.1.3', 'invalid_address'),
('5.1.6', 'invalid_address'), ('5.1.10', 'invalid_address'), ('5.4.4', 'invalid_address'),
('5.1.7', 'sender_blocked'), ('5.1.8', 'sender_blocked'),
('5.2.3', 'rejected_content'), ('5.3.4', 'rejected_content'), ('5.5', 'rejected_content'), ('5.6', 'rejected_content'),
('5.7', 'rejected_policy'), ('5.7.8', 'sender_blocked'), ('5.7.13', 'soft_bounced'), ('5.7.17', 'invalid_address'), ('5.7.18', 'invalid_address'),
('5.7.20', 'sender_blocked'), ('5.7.21', 'sender_blocked'), ('5.7.22', 'sender_blocked'), ('5.7.23', 'sender_blocked'),
('5.7.24', 'sender_blocked'), ('5.7.25', 'sender_blocked'), ('5.7.26', 'sender_blocked'), ('5.7.27', 'sender_blocked'),
('5.7.28', 'rejected_policy'), ('5.7.29', 'sender_blocked'), ('5.7.515', 'sender_blocked');

create table drip_core.reaction_failures (
  organization_id bigint not null constraint a_reaction_failure_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  kind drip.fact_kind not null,
  fact_id bigint not null,
  contact_id bigint,
  enrollment_id bigint,
  channel drip.channel,
  reason drip.reason,
  subject jsonb not null default '{}',
  occurred_at timestamptz not null,
  failed_at timestamptz not null default drip_core.now(),
  error_code text,
  error_message text,
  attempts int not null default 1,
  next_try_at timestamptz not null,
  resolved_at timestamptz,
  constraint reaction_failures_pkey primary key (organization_id, id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index reaction_failures_due_idx on drip_core.reaction_failures (next_try_at) where resolved_at is null;
create index reaction_failures_contact_idx on drip_core.reaction_failures (organization_id, contact_id) where resolved_at is null;
create index reaction_failures_fact_idx on drip_core.reaction_failures (organization_id, fact_id) where resolved_at is null;
comment on table drip_core.reaction_failures is
'Writes that landed although what a campaign makes of them failed: kept, heeded by the claim, and tried again by drip.tick.';
comment on column drip_core.reaction_failures.fact_id is 'Id of the inbound message, provider event, deal or (for tags) contact.';
comment on column drip_core.reaction_failures.reason is 'For which reason enrollments of the contact would have stopped.';
comment on column drip_core.reaction_failures.subject is 'What is needed to try again: stage of a deal, tags of a contact.';

create table drip_core.tracking_hits (
  organization_id bigint not null,
  id bigint generated always as identity,
  enrollment_id bigint not null,
  step_id bigint not null,
  type drip.event_type not null constraint a_hit_is_an_open_or_a_click check (type in ('opened', 'clicked')),
  link_no int,
  occurred_at timestamptz not null,
  user_agent text,
  ip inet,
  is_machine boolean not null,
  judged_by text,
  event_id bigint not null,
  event_recorded_at timestamptz not null,
  constraint tracking_hits_pkey primary key (organization_id, id),
  constraint a_hit_belongs_to_an_enrollment foreign key (organization_id, enrollment_id)
  references drip_core.enrollments (organization_id, id)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
create index tracking_hits_message_idx on drip_core.tracking_hits (organization_id, enrollment_id, step_id, id);
comment on table drip_core.tracking_hits is 'Raw hits of pixel and links; whether a machine made them is judged apart, and may be judged anew.';
comment on column drip_core.tracking_hits.judged_by is 'The rule that made it a machine''s; null: a person, as far as anybody can tell.';
comment on column drip_core.tracking_hits.event_id is 'With event_recorded_at: its event.';

create table drip_core.machine_agents (
  pattern text constraint machine_agents_pkey primary key,
  note text not null
);
comment on table drip_core.machine_agents is 'User agents (regular expressions, any case) of scanners, prefetchers and scripts: their hits are no person''s.';
insert into drip_core.machine_agents (pattern, note) values
('^$', 'No user agent at all: a script.'),
('^Mozilla/5\.0$', 'Apple Mail Privacy Protection fetches every image soon after delivery.'),
('barracuda|proofpoint|mimecast|ironport|messagelabs|symantec|forcepoint|trendmicro|fireeye|sophos|zscaler|cloudmark|vade', 'Mail security gateways.'),
('safelinks|ms-office|bingpreview|skypeuripreview|microsoft preview', 'Microsoft scanners and previews.'),
('headlesschrome|phantomjs|puppeteer|playwright|selenium', 'Browsers without a person.'),
('python|curl/|wget|go-http-client|java/|okhttp|apache-httpclient|libwww|aiohttp|httpx|node-fetch|axios|ruby|perl|php/|scrapy', 'Programs.'),
(
  'bot\M|crawler|spider|slurp|facebookexternalhit|slackbot|whatsapp/|telegrambot|twitterbot|linkedinbot|discordbot|embedly|preview',
  'Crawlers and link previews.'
);

create table drip_core.step_links (
  organization_id bigint not null,
  step_id bigint not null,
  link_no int not null constraint links_count_from_one check (link_no >= 1),
  url text not null constraint a_link_leads_to_a_web_page check (url ~ '^https?://[^[:space:]]+$'),
  constraint step_links_pkey primary key (organization_id, step_id, link_no),
  constraint a_link_belongs_to_a_step foreign key (organization_id, step_id) references drip_core.steps (organization_id, id)
);
comment on table drip_core.step_links is 'The links of html bodies, numbered when they are published: the only places that a tracked link leads to.';

create table drip_core.sender_hours (
  organization_id bigint not null,
  channel_account_id bigint not null,
  hour timestamptz not null,
  sent int not null default 0,
  refused int not null default 0,
  needs_guard boolean not null default false,
  constraint sender_hours_pkey primary key (organization_id, channel_account_id, hour),
  constraint an_hour_belongs_to_a_lane foreign key (organization_id, channel_account_id)
  references drip_core.lanes (organization_id, channel_account_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index sender_hours_guard_idx on drip_core.sender_hours (hour) where needs_guard;
comment on table drip_core.sender_hours is 'What each sender sent by the hour: what its bounce and complaint rates are measured against.';
comment on column drip_core.sender_hours.refused is 'Messages that the provider refused at once because the address does not exist.';

create table drip_core.inboxes (
  organization_id bigint not null,
  channel_account_id bigint not null,
  folder text not null,
  uid_validity bigint not null,
  last_uid bigint not null default 0,
  read_at timestamptz not null default drip_core.now(),
  constraint inboxes_pkey primary key (organization_id, channel_account_id, folder),
  constraint an_inbox_belongs_to_an_account foreign key (organization_id, channel_account_id)
  references drip_core.channel_accounts (organization_id, id)
);
comment on table drip_core.inboxes is 'How far the mailbox of each sender has been read.';
comment on column drip_core.inboxes.uid_validity is 'Under another one the server has numbered its messages anew, and it is read from the beginning.';

alter table drip_core.organizations
add column tracking boolean not null default false,
add column guard_bounce_rate numeric default 0.05 constraint a_bounce_rate_is_a_share check (guard_bounce_rate between 0 and 1),
add column guard_complaint_rate numeric default 0.003 constraint a_complaint_rate_is_a_share check (guard_complaint_rate between 0 and 1),
add column guard_min_sent int not null default 200 constraint a_guarded_sample_is_positive check (guard_min_sent >= 1),
add column guard_days int not null default 7 constraint guards_look_back_a_month_at_most check (guard_days between 1 and 30);
comment on column drip_core.organizations.tracking is 'Whether links of html bodies lead over public_base_url and a pixel is added.';
comment on column drip_core.organizations.guard_bounce_rate is 'Bounces / sent over guard_days above which a sender is paused; null: never.';
comment on column drip_core.organizations.guard_complaint_rate is 'Complaints / sent over guard_days above which a sender is paused; null: never.';
comment on column drip_core.organizations.guard_min_sent is 'So many messages a sender has sent before its rates mean anything.';
comment on column drip_core.organizations.guard_days is 'Days over which the rates are measured.';

alter table drip_core.sequence_versions
add column exits_on_deal_created boolean not null default false,
add column exit_deal_stages text[] not null default '{}',
add column goal_deal_stages text[] not null default '{}',
add column goal_within interval,
add column enroll_tags text[] not null default '{}',
add column enroll_deal_stages text[] not null default '{}';
comment on column drip_core.sequence_versions.exit_deal_stages is 'Stages of a deal that end the enrollment of its contact.';
comment on column drip_core.sequence_versions.goal_deal_stages is 'Stages of a deal that are the goal: the enrollment ends, and where a message was sent before, it has converted.';
comment on column drip_core.sequence_versions.goal_within is 'How long after the last message a goal still counts as its conversion; null: for ever.';
comment on column drip_core.sequence_versions.enroll_tags is 'Tags whose contacts are enrolled when they get them (of the current version of an active sequence).';
comment on column drip_core.sequence_versions.enroll_deal_stages is 'Stages whose contacts are enrolled when a deal reaches them.';

alter table drip_core.steps
add column html_tracked_format text;
comment on column drip_core.steps.html_tracked_format is
'The html body with numbered links and a pixel, as a format() string; behind the arguments of html_format come the unsubscribe link twice, the start of a click link, and the pixel.';

alter table drip_core.deals add column stage_changed_at timestamptz;
comment on column drip_core.deals.stage_changed_at is 'When the stage last changed; null: not since the deal was created, or before this was written down.';

alter table drip_core.lanes add column guarded_from timestamptz;
comment on column drip_core.lanes.guarded_from is 'What happened before does not count against the sender: it was resumed then.';

-- squawk-ignore ban-drop-constraint
alter table drip_core.retention drop constraint a_subject_of_retention_is_known;
alter table drip_core.retention add constraint a_subject_of_retention_is_known check (
  subject in ('event_details', 'late_results', 'message_values', 'raw_facts')
) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.retention validate constraint a_subject_of_retention_is_known;
alter table drip_core.retention add constraint raw_facts_are_kept_for_a_month_at_least
check (subject <> 'raw_facts' or keep_for >= interval '31 days') not valid;
-- squawk-ignore constraint-missing-not-valid
alter table drip_core.retention validate constraint raw_facts_are_kept_for_a_month_at_least;
alter table drip_core.retention no force row level security;
insert into drip_core.retention (subject) values ('raw_facts');
alter table drip_core.retention force row level security;
