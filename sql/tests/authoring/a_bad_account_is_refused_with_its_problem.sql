begin;
select plan(23);
select drip_test.organization('A');
create temporary table bad (change jsonb, problem text, rule text) on commit drop;
insert into bad values
('{"key": "Box 1"}', 'account.key', 'a key is a slug'),
('{"key": null}', 'account.key', 'a key is needed'),
('{"channel": "fax"}', 'account.channel', 'a channel is known'),
('{"channel": null}', 'account.channel', 'a channel is needed'),
('{"provider": null}', 'account.provider', 'a provider is needed'),
('{"provider": "Not A Name"}', 'account.provider', 'a provider is a name'),
('{"address": " "}', 'account.address', 'an address is needed'),
('{"address": "sales"}', 'account.address: an email address', 'a mailbox has an email address'),
('{"config": []}', 'account.config', 'config is an object'),
('{"timezone": "UTC+3"}', 'account.timezone: "UTC\+3" is not a zone name', 'X4: an offset is no zone'),
('{"on_unknown": "guess"}', 'account.on_unknown', 'a policy is known'),
('{"daily_limit": -1}', 'account.daily_limit', 'a limit is not negative'),
('{"daily_limit": 1.5}', 'account.daily_limit', 'a limit is whole'),
('{"daily_limit": "many"}', 'account.daily_limit', 'a limit is a number'),
('{"ramp_start": 0, "ramp_increment": 1}', 'account.ramp_start', 'a ramp starts at one'),
('{"ramp_start": 5}', 'account.ramp_start: ramp_start and ramp_increment go together', 'a ramp has both'),
('{"min_gap": "1 minute"}', 'account.min_gap: min_gap and max_gap go together', 'a gap has both ends'),
('{"min_gap": "2 minutes", "max_gap": "1 minute"}', 'account.max_gap', 'a gap is not upside down'),
('{"min_gap": "-1 minute", "max_gap": "1 minute"}', 'account.max_gap', 'a gap is not negative'),
('{"min_gap": "soon", "max_gap": "later"}', 'account.min_gap', 'a gap is a duration'),
('{"dialy_limit": 5}', 'account.dialy_limit: .*did you mean "daily_limit"\?', 'the nearest key is named');
select
  matches(
    drip_test.error_of(format(
      'select drip.apply_channel_account(drip_test.org(), %L)',
      '{"key": "box", "channel": "email", "provider": "smtp", "address": "sales@example.com"}'::jsonb || b.change
    )),
    '^PT422 \| invalid (channel )?account \| ' || b.problem, 'PT422: ' || b.rule
  )
from bad as b;
select is((select count(*) from drip.list_channel_accounts(drip_test.org())), 0::bigint, 'nothing of them is stored');
select matches(
  drip_test.error_of('select drip.apply_channel_account(drip_test.org(), ''{"key": "box", "display_name": "x"}'')'),
  '^PT422 \| invalid channel account \| account.channel', 'PT422: a new account needs its channel'
);
select * from finish();
rollback;
