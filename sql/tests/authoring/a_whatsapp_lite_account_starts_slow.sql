begin;
select plan(7);
select drip_test.organization('A');
create function pg_temp.limits(p_key text)
returns text
language sql
as $$
  select concat_ws(' ', coalesce(a.daily_limit::text, '-'), coalesce(a.ramp_start || '+' || a.ramp_increment, '-'), coalesce(a.min_gap::text, '-'), coalesce(a.max_gap::text, '-'), a.on_unknown, a.status)
  from drip.list_channel_accounts(drip_test.org()) as a where a.key = p_key;
$$;
select drip.apply_channel_account(drip_test.org(), '{"key": "lite", "channel": "whatsapp_lite", "provider": "waha", "address": "+49301"}');
select is(pg_temp.limits('lite'), '200 20+10 00:01:00 00:19:00 hold active', 'H1: 200 a day, 20 on the first, gaps of 1 to 19 minutes');
select drip_test.phone_line(drip_test.org(), 'own', settings => '{"daily_limit": 20, "min_gap": "5 minutes", "max_gap": "6 minutes"}');
select is(pg_temp.limits('own'), '20 - 00:05:00 00:06:00 hold active', 'H1: unless the account says otherwise');
select drip_test.phone_line(drip_test.org(), 'none', settings => '{"daily_limit": null, "min_gap": null, "max_gap": null, "on_unknown": "resend"}');
select is(pg_temp.limits('none'), '- - - - resend active', 'null means no limit');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select is(pg_temp.limits('box') || ', ' || pg_temp.limits('cloud'), '- - - - hold active, - - - - hold active', 'the other channels start without limit');
select drip.apply_channel_account(drip_test.org(), '{"key": "none", "display_name": "Later"}');
select is(pg_temp.limits('none'), '- - - - resend active', 'the defaults are for a new account, not for a change');
select drip.apply_channel_account(
  drip_test.org(), '{"key": "ramp", "channel": "whatsapp_lite", "provider": "waha", "address": "+49301", "ramp_start": 5, "ramp_increment": 1}'
);
select is(pg_temp.limits('ramp'), '200 5+1 00:01:00 00:19:00 hold active', 'a ramp of its own');
select drip.apply_sequence(drip_test.org(), '{"key": "x", "steps": [{"key": "s", "channel": "whatsapp_lite", "text": "Hi {{ deal.name }}"}]}');
select drip.apply_sequence(drip_test.org(), '{"key": "y", "steps": [{"key": "s", "channel": "whatsapp_lite", "text": "Hi", "allow_identical_text": true}]}');
select is(
  drip.get_sequence(drip_test.org(), 'y') -> 'steps' -> 0 ->> 'allow_identical_text', 'true',
  'a text that is the same for all is sent where the step says that it may be'
);
select * from finish();
rollback;
