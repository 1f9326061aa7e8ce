begin;
select plan(6);
select set_eq(
  $$ select reason from drip_core.reasons $$,
  $$ select unnest(enum_range(null::drip.reason)) $$,
  'M2: every reason says what it does'
);
select is_empty(
  $$ select reason from drip_core.reasons where (effect = 'ends_enrollment') and ends_as is null or btrim(description) = '' $$,
  'G4: a reason that ends an enrollment says as which status, and all are explained'
);
select set_eq(
  $$ select from_status from drip_core.status_transitions union select to_status from drip_core.status_transitions $$,
  $$ select unnest(enum_range(null::drip.enrollment_status)) $$,
  'M2: every status takes part in a transition'
);
select is_empty(
  $$
    select to_status, event_type from drip_core.status_transitions
    where event_type::text <> case to_status when 'active' then 'resumed' else to_status::text end
  $$,
  'M2: each transition writes the event that is named after it'
);
select set_eq(
  $$ select reason from drip_core.reasons where effect = 'waits' $$,
  array[
    'template_unavailable', 'session_closed', 'sender_paused', 'sender_blocked', 'daily_limit', 'pacing', 'window_closed', 'throttled', 'contact_cap',
    'sequence_paused', 'auto_replied', 'outcome_unknown', 'soft_bounced'
  ]::drip.reason[],
  'C2: temporary obstacles wait, and nothing else does'
);
select set_eq(
  $$ select reason, ends_as from drip_core.reasons where effect <> 'waits' $$,
  $$
    values ('opted_out'::drip.reason, 'unsubscribed'::drip.enrollment_status), ('unsubscribed', 'unsubscribed'),
      ('complained', 'unsubscribed'), ('suppressed', 'exited'), ('bounced', 'bounced'), ('invalid_address', 'bounced'),
      ('no_address', 'failed'), ('not_on_whatsapp', 'failed'), ('missing_field', 'failed'), ('sequence_archived', 'exited'), ('replied', 'exited'),
      ('deal_created', 'exited'), ('deal_stage', 'exited'), ('goal_reached', 'exited'), ('retries_exhausted', 'failed'),
      ('rejected_content', 'failed'), ('rejected_policy', 'failed'), ('session_missed', 'completed'), ('erased', 'removed'), ('manual', 'removed')
  $$,
  'M8: the other reasons end an enrollment, each as its status'
);
select * from finish();
rollback;
