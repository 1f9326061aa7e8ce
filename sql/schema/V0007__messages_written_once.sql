-- Why: a message is copied from its enrollment by the statement that settles it, which holds that enrollment; the step and the
-- account it names were checked when the enrollment came to point at them, and none of the three is ever deleted. Checking
-- them again for every message cost a quarter of the settlement, and row locks that all runners share. What the keys said,
-- drip_core.invariant_violations says now.
-- Locks: ACCESS EXCLUSIVE on messages, SHARE ROW EXCLUSIVE on enrollments, steps and channel_accounts, for an instant.
-- The previous version meanwhile: works as before.
-- squawk-ignore ban-drop-constraint
alter table drip_core.messages drop constraint a_message_belongs_to_an_enrollment;
-- squawk-ignore ban-drop-constraint
alter table drip_core.messages drop constraint a_message_is_of_a_step;
-- squawk-ignore ban-drop-constraint
alter table drip_core.messages drop constraint a_message_leaves_by_an_account;

create type drip_core.lane_settlement as (
  id bigint,
  returned int,
  unleased int,
  held_change int,
  sender_error text,
  throttled_until timestamptz
);
comment on type drip_core.lane_settlement is 'What a settlement changes of a lane: reservations given back, messages no longer in flight, change of the held ones.';
