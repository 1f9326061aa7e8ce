-- Row types of the API and of the engine's set-based functions.
-- Locks: none that matter (new objects only).

create type drip.claimed_message as (
  organization_id bigint,
  enrollment_id bigint,
  claim_token bigint,
  message_token text,
  link_token text,
  channel drip.channel,
  channel_account_id bigint,
  provider text,
  config jsonb,
  secret_ref text,
  to_address text,
  to_name text,
  from_address text,
  from_name text,
  subject text,
  text_body text,
  html_body text,
  template jsonb,
  headers jsonb,
  attempt int,
  is_test boolean,
  sequence_key text,
  step_key text,
  lease_expires_at timestamptz
);
comment on type drip.claimed_message is 'A message that is ready to be sent: everything its provider needs, merge fields rendered.';

create type drip_core.rendered_message as (
  message_token text,
  link_token text,
  to_address text,
  to_name text,
  from_address text,
  from_name text,
  subject text,
  text_body text,
  html_body text,
  template jsonb,
  headers jsonb
);
comment on type drip_core.rendered_message is 'A message rendered from its step and merge values.';

create type drip_core.settlement as (
  ordinal int,
  enrollment_id bigint,
  claim_token bigint,
  outcome drip.send_outcome,
  provider_message_id text,
  occurred_at timestamptz,
  error_code text,
  error_message text,
  retry_at timestamptz,
  was_held boolean,
  contact_id bigint,
  sequence_id bigint,
  version int,
  step_id bigint,
  channel drip.channel,
  channel_account_id bigint,
  attempts smallint,
  merge_values jsonb,
  message_reason drip.reason,
  new_status drip.enrollment_status,
  new_reason drip.reason,
  new_step_id bigint,
  new_channel_account_id bigint,
  new_next_step_at timestamptz,
  new_attempt smallint,
  disposition text
);
comment on type drip_core.settlement is 'One result on its way through drip.advance: what the provider said, what it was about, and what becomes of it.';

create type drip_core.provider_result as (
  ordinal int,
  organization_id bigint,
  enrollment_id bigint,
  claim_token bigint,
  outcome drip.send_outcome,
  provider_message_id text,
  occurred_at timestamptz,
  reason drip.reason,
  error_code text,
  error_message text,
  retry_at timestamptz
);
comment on type drip_core.provider_result is 'One element of the argument of drip.advance.';

create type drip_core.disposition as (ordinal int, disposition text);
comment on type drip_core.disposition is 'The answer of drip.advance to one result.';

create type drip_core.lane_change as (
  id bigint,
  counter_day date,
  used int,
  leased int,
  held int,
  sender_error text,
  next_slot_at timestamptz,
  slot_reason drip.reason,
  ready_at timestamptz
);
comment on type drip_core.lane_change is 'What a settlement makes of a lane.';

-- rows whose columns are named like arguments of the functions that return them
create type drip.enroll_result as (contact_id bigint, enrollment_id bigint, outcome drip.enroll_outcome);
comment on type drip.enroll_result is 'The typed answer of an enrollment call for one contact.';

create type drip.enrollment_row as (
  enrollment_id bigint,
  sequence_key text,
  version int,
  contact_id bigint,
  deal_id bigint,
  entry_no int,
  status text,
  reason text,
  step_key text,
  next_step_at timestamptz,
  attempt int,
  channel_account_key text,
  source text,
  enrolled_at timestamptz,
  status_changed_at timestamptz
);
comment on type drip.enrollment_row is 'An enrollment as a form would show it.';
