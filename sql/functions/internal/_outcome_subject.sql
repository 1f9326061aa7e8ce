-- Whether an event says what became of a message or of its enrollment: of two kinds that can be either, one with a channel is
-- about a message.
-- Locks: none. Errors: none.
create or replace function drip_core._outcome_subject(type drip.event_type, channel drip.channel)
returns text
language sql
immutable
parallel safe
return case
  when _outcome_subject.type in ('skipped', 'attempt_failed', 'held') or _outcome_subject.channel is not null then 'message'
  else 'enrollment'
end;

revoke all on function drip_core._outcome_subject(drip.event_type, drip.channel) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._outcome_subject(drip.event_type, drip.channel) is 'Whether an event is about a message or about its enrollment.';
