-- Sending windows, delays in business days and at a local time, the cap per contact: compiled at publish, so that planning
-- an instant reads columns. Enrollments remember from where their step was planned: what was meant by a local time can be
-- planned anew when a time zone, a window or a holiday changes.
-- Locks: access exclusive on five tables for a moment each (new columns are null or have a constant default: no rewrite).
-- The previous version meanwhile: works as before; what it writes has no window, and is planned from where it is.

alter table drip_core.organizations
add column window_timezone text,
add column window_weekdays int[] not null default '{}',
add column window_starts time[] not null default '{}',
add column window_ends time[] not null default '{}',
add column window_holidays date[] not null default '{}',
add column contact_cap_per_day int constraint a_daily_contact_cap_is_positive check (contact_cap_per_day >= 1),
add column contact_cap_per_week int constraint a_weekly_contact_cap_is_positive check (contact_cap_per_week >= 1);
comment on column drip_core.organizations.holidays is 'Local days on which nothing is sent, in all sequences; they are no business days either.';
comment on column drip_core.organizations.window_timezone is
'Time zone of the default window: a zone name, or contact for that of each contact; null: that of the organization.';
comment on column drip_core.organizations.window_weekdays is
'The default window, for sequences without one of their own: for each stretch its days (bit n: ISO weekday n); empty: none.';
comment on column drip_core.organizations.window_starts is 'For each stretch of the default window the local time at which it starts.';
comment on column drip_core.organizations.window_ends is 'For each stretch its end, exclusive; not after the start: on the next day.';
comment on column drip_core.organizations.window_holidays is 'Holidays of the default window.';
comment on column drip_core.organizations.contact_cap_per_day is
'Messages that a contact may get on a local day of the organization, over all sequences and channels; null: no cap.';
comment on column drip_core.organizations.contact_cap_per_week is
'Messages that a contact may get in seven local days of the organization, today included; null: no cap.';

alter table drip_core.sequence_versions
add column window_timezone text,
add column window_weekdays int[] not null default '{}',
add column window_starts time[] not null default '{}',
add column window_ends time[] not null default '{}',
add column window_holidays date[] not null default '{}';
comment on column drip_core.sequence_versions.window_timezone is
'Time zone of the window: a zone name, or contact for that of each contact; null: that of the organization.';
comment on column drip_core.sequence_versions.window_weekdays is
'For each stretch of the window its days (bit n: ISO weekday n); empty: no window of its own.';
comment on column drip_core.sequence_versions.window_starts is 'For each stretch the local time at which it starts.';
comment on column drip_core.sequence_versions.window_ends is 'For each stretch its end, exclusive; not after the start: on the next day.';
comment on column drip_core.sequence_versions.window_holidays is 'Local days on which the sequence sends nothing.';

alter table drip_core.steps
add column delay_business_days int not null default 0,
add column delay_at time;
comment on column drip_core.steps.delay_business_days is 'Part of the delay in business days: Monday to Friday without holidays.';
comment on column drip_core.steps.delay_at is 'Local time at which the step is due on the day that the delay leads to; null: the time from which it counts.';

alter table drip_core.enrollments
add column planned_from timestamptz,
add column is_after_delay boolean not null default false,
add column wait_reason drip.reason;
comment on column drip_core.enrollments.planned_from is
'The instant from which next_step_at was planned; null (planned before windows existed): next_step_at itself.';
comment on column drip_core.enrollments.is_after_delay is
'Whether the delay of the step counts from planned_from; else that is the wanted instant itself (a retry, a migrated step).';
comment on column drip_core.enrollments.wait_reason is
'Why the message was put off to next_step_at when it was due; null: it waits for its time.';

-- what has to be planned anew, beyond what the writer did at once: drip.tick goes on with it
create table drip_core.replans (
  organization_id bigint not null constraint a_replan_belongs_to_an_organization references drip_core.organizations (id),
  id bigint generated always as identity,
  contact_id bigint,
  after_enrollment_id bigint not null default 0,
  requested_at timestamptz not null default drip_core.now(),
  constraint replans_pkey primary key (organization_id, id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
comment on table drip_core.replans is
'Enrollments to plan anew because a time zone, a window or holidays changed: of one contact, or (contact_id null) of the organization.';
comment on column drip_core.replans.after_enrollment_id is 'The last enrollment that was looked at.';

-- one row, and only inside a simulation, which rolls it back: what lets drip_core.now() believe a simulated clock
create table drip_core.simulations (
  organization_id bigint constraint simulations_pkey primary key,
  token uuid not null default gen_random_uuid()
);
comment on table drip_core.simulations is 'The simulation of this transaction; always empty to everybody else.';
comment on column drip_core.simulations.organization_id is 'The shadow organization that holds the copies.';
comment on column drip_core.simulations.token is 'What the setting drip.simulation must say for the simulated clock to count.';
