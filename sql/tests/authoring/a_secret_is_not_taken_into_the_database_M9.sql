begin;
select plan(17);
select drip_test.organization('A');
create function pg_temp.answer(p_settings text)
returns text
language sql
as $$
  select drip_test.error_of(format('select drip_test.mailbox(drip_test.org(), ''box'', %L)', p_settings));
$$;
select matches(pg_temp.answer(c.settings), '^PT422 \| invalid channel account \| ' || c.expected || '$', 'refused, without its value: ' || c.settings)
from (
  values
  ('{"config": {"host": "h", "password": "s3cret-planted"}}', 'account\.config\.password: a secret does not belong into the database; put it .* secret_ref'),
  ('{"config": {"Smtp-Passwd": "s3cret-planted"}}', 'account\.config\.Smtp-Passwd: a secret .*'),
  ('{"config": {"inbox": {"pwd": "s3cret-planted"}}}', 'account\.config\.inbox\.pwd: a secret .*'),
  ('{"config": {"list": [1, {"api_key": "s3cret-planted"}]}}', 'account\.config\.list\[1\]\.api_key: a secret .*'),
  ('{"config": {"access_token": 12345}}', 'account\.config\.access_token: a secret .*'),
  ('{"config": {"passwords": ["s3cret-planted"]}}', 'account\.config\.passwords\[0\]: a secret .*'),
  ('{"config": {"endpoint": "https://user:s3cret-planted@api.example.com"}}', 'account\.config\.endpoint: an address without user and password .*'),
  ('{"config": {"cert": "-----BEGIN RSA PRIVATE KEY-----\nabc"}}', 'account\.config\.cert: a private key .*'),
  ('{"config": {"inbox": {"secret_ref": "s3cret planted!"}}}', 'account\.config\.inbox\.secret_ref: the name of a secret .*'),
  ('{"config": {"webhook": {"verify_token_ref": "s3cret planted!"}}}', 'account\.config\.webhook\.verify_token_ref: the name of a secret .*'),
  ('{"secret_ref": "s3cret planted!"}', 'account\.secret_ref: the name of a secret .*')
) as c (settings, expected);
select is_empty($$ select from drip_core.channel_accounts where organization_id = drip_test.org() $$, 'nothing of it is stored');
select is(pg_temp.answer(c.settings), 'no error', 'taken: ' || c.settings)
from (
  values
  ('{"secret_ref": "SMTP_PASSWORD", "config": {"host": "h", "webhook": {"public_key": "abc"}, "inbox": {"secret_ref": "env:IMAP_PASSWORD"}}}'),
  ('{"secret_ref": "file:/run/secrets/smtp", "config": {"endpoint": "https://api.example.com/v1?x=a:b@c", "password": null}}'),
  ('{"config": {"webhook": {"verify_token_ref": "META_VERIFY_TOKEN"}}}'),
  ('{"secret_ref": null}')
) as c (settings);
-- what was stored before is not in the way of a change of something else
update drip_core.channel_accounts set config = '{"password": "old"}'
where organization_id = drip_test.org();
select is(pg_temp.answer('{"display_name": "New"}'), 'no error', 'an account with an old config can be changed');
select * from finish();
rollback;
