-- The closed vocabularies of pgdrip (statuses, channels, event types, outcomes, reasons) and its one clock.
-- Each set of words is an enum defined once: a misspelt literal is an error when the statement is planned.
-- Locks: none that matter (new objects only).

create type drip.channel as enum ('email', 'whatsapp_cloud', 'whatsapp_lite');

create type drip.enrollment_status as enum (
  'active', 'paused', 'completed', 'failed', 'exited', 'removed', 'bounced', 'unsubscribed'
);

create type drip.sequence_status as enum ('draft', 'active', 'paused', 'archived');

create type drip.lane_status as enum ('active', 'paused', 'blocked');

create type drip.unknown_policy as enum ('hold', 'resend');

create type drip.reentry_policy as enum ('never', 'when_finished', 'after');

create type drip.reply_policy as enum ('pause', 'exit', 'continue');

create type drip.member_role as enum ('owner', 'admin', 'member', 'viewer');

create type drip.send_outcome as enum ('sent', 'retry', 'rejected', 'throttled', 'sender_error', 'unknown');

create type drip.message_status as enum ('sent', 'failed');

create type drip.enroll_outcome as enum (
  'enrolled', 'already_active', 'already_finished', 'cooling_down', 'opted_out', 'suppressed', 'bounced',
  'no_address', 'missing_field', 'template_unavailable', 'sequence_not_active', 'contact_not_found'
);

create type drip.event_type as enum (
  'enrolled', 'sent', 'delivered', 'opened', 'clicked', 'replied', 'auto_replied', 'bounced', 'complained',
  'unsubscribed', 'resubscribed', 'skipped', 'attempt_failed', 'failed', 'held', 'paused', 'resumed',
  'completed', 'exited', 'removed', 'converted', 'migrated', 'suppressed'
);

create type drip.reason as enum (
  'opted_out', 'unsubscribed', 'suppressed', 'complained', 'bounced', 'invalid_address', 'no_address',
  'missing_field', 'template_unavailable', 'sender_paused', 'sender_blocked', 'daily_limit', 'pacing',
  'window_closed', 'throttled', 'contact_cap', 'sequence_paused', 'sequence_archived', 'replied',
  'auto_replied', 'deal_created', 'deal_stage', 'goal_reached', 'retries_exhausted', 'rejected_content',
  'rejected_policy', 'outcome_unknown', 'erased', 'manual'
);

create type drip.reason_effect as enum ('waits', 'skips_step', 'ends_enrollment');

create type drip.consent_state as enum ('opted_in', 'opted_out');

create type drip.suppression_scope as enum ('all', 'sequence');

comment on type drip.channel is 'A way to reach a contact. Open for more.';
comment on type drip.enrollment_status is 'State of an enrollment; all but active and paused are terminal.';
comment on type drip.sequence_status is 'State of a sequence: draft and paused send nothing, archived ends what is open.';
comment on type drip.lane_status is 'Whether a sender may send: paused by an operator, blocked by trouble of its account.';
comment on type drip.unknown_policy is 'What becomes of a message whose outcome is unknown: hold (default) or resend.';
comment on type drip.reentry_policy is 'Whether a contact that went through a sequence may enter it again.';
comment on type drip.reply_policy is 'What a human reply does to an enrollment.';
comment on type drip.member_role is 'What a member may do in an organization.';
comment on type drip.send_outcome is 'What a channel provider says of one message.';
comment on type drip.message_status is 'How a message ended: accepted by a provider, or given up.';
comment on type drip.enroll_outcome is 'The typed answer of an enrollment call, one per contact.';
comment on type drip.event_type is 'The kinds of facts in the history.';
comment on type drip.reason is 'Why something waited, was skipped or ended; drip_core.reasons says what each one does.';
comment on type drip.reason_effect is 'What a reason does: the enrollment waits, skips the step, or ends.';
comment on type drip.consent_state is 'A statement of a contact about a channel.';
comment on type drip.suppression_scope is 'Whether a suppression holds for everything or for one sequence.';

-- The one clock. Column defaults and every function read it. Only members of drip_simulator (superusers
-- count) can move it, by the setting drip.now; session_user decides, because definer functions share their owner.
create function drip_core.now()
returns timestamptz
language sql
volatile
parallel safe
return case
  when coalesce(current_setting('drip.now', true), '') = '' then clock_timestamp()
  when pg_has_role(session_user, 'drip_simulator', 'member') then current_setting('drip.now')::timestamptz
  else clock_timestamp()
end;

revoke all on function drip_core.now() from public;
comment on function drip_core.now() is
'The clock of pgdrip: clock_timestamp(), or the setting drip.now where the login is a member of drip_simulator.';
