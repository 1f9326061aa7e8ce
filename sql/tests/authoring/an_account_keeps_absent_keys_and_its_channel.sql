begin;
select plan(8);
select drip_test.organization('A');
create function pg_temp.account()
returns jsonb
language sql
as $$
  select jsonb_strip_nulls(to_jsonb(a)) - array['channel_account_id', 'status'] from drip.list_channel_accounts(drip_test.org()) as a;
$$;
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select drip_test.keep('box', drip.apply_channel_account(drip_test.org(), '{
  "key": "box", "channel": "email", "provider": "smtp", "address": "sales@example.com", "display_name": "Sales", "config": {"host": "mx"},
  "secret_ref": "SMTP_PASSWORD", "daily_limit": 50, "ramp_start": 5, "ramp_increment": 2, "min_gap": "30 seconds", "max_gap": "2 minutes",
  "timezone": "Europe/Berlin", "on_unknown": "resend"}'));
select is(
  pg_temp.account(),
  '{"key": "box", "channel": "email", "provider": "smtp", "address": "sales@example.com", "display_name": "Sales", "config": {"host": "mx"},
    "secret_ref": "SMTP_PASSWORD", "daily_limit": 50, "ramp_start": 5, "ramp_increment": 2, "min_gap": "00:00:30", "max_gap": "00:02:00",
    "timezone": "Europe/Berlin", "on_unknown": "resend"}',
  'every key reads back'
);
select is(
  drip.apply_channel_account(drip_test.org(), '{"key": "box", "address": "hello@example.com"}'), drip_test.kept('box'), 'found by key'
);
select is(
  pg_temp.account() - array['config', 'min_gap', 'max_gap', 'ramp_start', 'ramp_increment'],
  '{"key": "box", "channel": "email", "provider": "smtp", "address": "hello@example.com", "display_name": "Sales", "secret_ref": "SMTP_PASSWORD",
    "daily_limit": 50, "timezone": "Europe/Berlin", "on_unknown": "resend"}',
  'an absent key keeps its value'
);
select drip.apply_channel_account(drip_test.org(), '{
  "key": "box", "display_name": null, "config": null, "secret_ref": null, "daily_limit": null, "ramp_start": null, "ramp_increment": null,
  "min_gap": null, "max_gap": null, "timezone": null, "on_unknown": null}');
select is(
  pg_temp.account(), '{"key": "box", "channel": "email", "provider": "smtp", "address": "hello@example.com", "config": {}, "on_unknown": "hold"}',
  'null clears, or gives the default back'
);
select matches(
  drip_test.error_of($$ select drip.apply_channel_account(drip_test.org(), '{"key": "box", "channel": "whatsapp_cloud"}') $$),
  '^PT409 \| the channel of an account cannot change \| account box is of channel email', 'PT409: the channel of an account never changes'
);
reset role;
select is(
  (
    select count(*) from drip_core.lanes as l
    where l.organization_id = drip_test.org() and l.channel_account_id = drip_test.kept('box')
  ), 1::bigint,
  'an account has one lane'
);
select drip_test.no_violations();
select * from finish();
rollback;
