-- Why: the claim makes two tokens per message. With a key of 32-byte halves that takes 3 blocks of SHA-256, with the 64-byte pads
-- of HMAC 16. Keys of both kinds are kept: a token says which key made it. And what the messages of a step share is read once
-- per claim and settlement, into rows of types of its own.
-- Locks: ACCESS EXCLUSIVE on secret_keys for an instant; the checks read the few keys there are.
-- The previous version meanwhile: works as before.
alter table drip_core.secret_keys
-- squawk-ignore ban-drop-constraint
drop constraint an_inner_pad_is_one_block,
-- squawk-ignore ban-drop-constraint
drop constraint an_outer_pad_is_one_block,
-- squawk-ignore constraint-missing-not-valid
add constraint a_key_is_two_pads_or_two_halves check (
  (octet_length(inner_pad) = 64 and octet_length(outer_pad) = 64)
  or (purpose = 'link' and octet_length(inner_pad) = 32 and octet_length(outer_pad) = 32)
);
comment on table drip_core.secret_keys is
'The link-signing key and the address-hash key. Readable by definer functions of the owners only; retired keys stay so that old links work for ever.';
comment on column drip_core.secret_keys.inner_pad is 'Inner pad of an HMAC-SHA256 key (64 bytes); of a link key of 32-byte halves the one for MACs.';
comment on column drip_core.secret_keys.outer_pad is 'Outer pad of an HMAC-SHA256 key (64 bytes); of a link key of 32-byte halves the one for the keystream.';

-- rows that the claim and the settlement read once for all messages that share them
create type drip_core.settled_step as (
  id bigint,
  channel drip.channel,
  retry_backoff interval [],
  timezone text,
  weekdays int [],
  starts time [],
  ends time [],
  holidays date [],
  next_id bigint,
  next_channel_no int,
  delay_elapsed interval,
  delay_days int,
  delay_business_days int,
  delay_at time,
  next_timezone text,
  next_weekdays int [],
  next_starts time [],
  next_ends time [],
  next_holidays date []
);
comment on type drip_core.settled_step is 'Of a step what settling its messages takes: retries, the window in force, the step after it with its delay and the window in force for that.';

create type drip_core.judged_step as (
  id bigint,
  sequence_id bigint,
  version int,
  channel drip.channel,
  thread_root_id bigint,
  is_templated boolean,
  is_template_missing boolean,
  template_until timestamptz,
  needs_session boolean,
  skips_outside_session boolean,
  has_tracked_html boolean,
  field_paths text [],
  field_defaults text [],
  fixed_values text [],
  has_unsubscribe_url boolean,
  on_reply drip.reply_policy,
  exits_on_deal_created boolean,
  exit_deal_stages text [],
  goal_deal_stages text [],
  timezone text,
  weekdays int [],
  starts time [],
  ends time [],
  holidays date []
);
comment on type drip_core.judged_step is
'Of a step what judging its messages takes: what its channel asks for, merge fields with the values that are the same for all, exit rules, the window in force.';
