begin;
select plan(5);
select drip_test.organization('A');
create function pg_temp.limits(p_key text)
returns text
language sql
as $$
  select concat_ws(' ', coalesce(a.daily_limit::text, '-'), coalesce(a.min_gap::text, '-'), coalesce(a.max_gap::text, '-'), a.on_unknown, a.status)
  from drip.list_channel_accounts(drip_test.org()) as a where a.key = p_key;
$$;
select drip_test.phone_line(drip_test.org(), 'lite');
select is(pg_temp.limits('lite'), '200 00:01:00 00:19:00 hold active', 'H1: 200 a day, gaps of 1 to 19 minutes');
select drip_test.phone_line(drip_test.org(), 'own', settings => '{"daily_limit": 20, "min_gap": "5 minutes", "max_gap": "6 minutes"}');
select is(pg_temp.limits('own'), '20 00:05:00 00:06:00 hold active', 'H1: unless the account says otherwise');
select drip_test.phone_line(drip_test.org(), 'none', settings => '{"daily_limit": null, "min_gap": null, "max_gap": null, "on_unknown": "resend"}');
select is(pg_temp.limits('none'), '- - - resend active', 'null means no limit');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select is(pg_temp.limits('box') || ', ' || pg_temp.limits('cloud'), '- - - hold active, - - - hold active', 'the other channels start without limit');
select drip.apply_channel_account(drip_test.org(), '{"key": "none", "display_name": "Later"}');
select is(pg_temp.limits('none'), '- - - resend active', 'the defaults are for a new account, not for a change');
select * from finish();
rollback;
