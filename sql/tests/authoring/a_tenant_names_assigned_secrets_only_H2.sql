-- The runner sends a secret to the server that an account names: who speaks for one organization only may not name just any.
begin;
select plan(18);
select drip_test.keep('b', drip_test.organization('B'));
select drip.assign_secret(drip_test.org(), 'SECRET_OF_B');
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'shared', '{"secret_ref": "RELAY", "config": {"host": "relay.example.com"}}');
insert into drip_core.profiles (id) values ('00000000-0000-0000-0000-000000000001');
insert into drip_core.members (organization_id, profile_id, role, email)
values (drip_test.org(), '00000000-0000-0000-0000-000000000001', 'admin', 'admin@a.example');
create role drip_test_web login in role drip_app;
create role drip_test_bound login in role drip_app;
insert into drip_core.login_organizations (organization_id, login) values (drip_test.org(), 'drip_test_bound');
create function pg_temp.answer(p_account jsonb)
returns text
language sql
as $$
  select drip_test.error_of(format('select drip.apply_channel_account(%s, %L)', drip_test.kept('a'), p_account));
$$;
create function pg_temp.mine(p_more jsonb)
returns text
language sql
as $$
  select pg_temp.answer('{"key": "mine", "channel": "email", "provider": "smtp", "address": "me@a.example"}' || p_more);
$$;

set local session authorization drip_test_web;
select is(session_user::text || '/' || current_user::text, 'drip_test_web/drip_test_web', 'the test is an application login');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true);
select matches(
  pg_temp.mine('{"secret_ref": "SECRET_OF_B"}'),
  '^PT403 \| the secret is not assigned to the organization \| account mine: SECRET_OF_B', 'H2: a person does not name the secret of another organization'
);
select matches(pg_temp.mine('{"secret_ref": "env:PATH"}'), '^PT403 .* account mine: PATH', 'H2: nor a variable of the runner');
select matches(pg_temp.mine('{"secret_ref": "file:/proc/self/environ"}'), '^PT403', 'H2: nor a file');
select matches(
  pg_temp.mine('{"config": {"inbox": {"host": "h", "secret_ref": "SECRET_OF_B"}}}'), '^PT403 .* SECRET_OF_B', 'H2: nor for its inbox'
);
select matches(
  pg_temp.mine('{"config": {"webhook": {"verify_token_ref": "SECRET_OF_B"}}}'), '^PT403 .* SECRET_OF_B', 'H2: nor for a webhook'
);
select matches(
  pg_temp.mine('{"config": {"more": [{"deep": {"api_secret_ref": "SECRET_OF_B"}}]}}'), '^PT403 .* SECRET_OF_B', 'H2: however deep'
);
select is(pg_temp.mine('{}'), 'no error', 'H2: a sender without a secret needs none');
select matches(
  pg_temp.answer('{"key": "shared", "config": {"host": "mine.example.com"}}'), '^PT403 .* account shared: RELAY',
  'H2: a secret that is there goes to no other server'
);
select matches(pg_temp.answer('{"key": "shared", "provider": "ses"}'), '^PT403', 'H2: nor to another provider');
select is(pg_temp.answer('{"key": "shared", "daily_limit": 7}'), 'no error', 'H2: all else can be changed');
select matches(drip_test.error_of('select drip.assign_secret(drip_test.kept(''a''), ''SECRET_OF_B'')'), '^42501', 'L1: only the operator assigns');
select set_config('request.jwt.claims', '', true);
reset session authorization;
set local session authorization drip_test_bound;
select matches(pg_temp.mine('{"secret_ref": "SECRET_OF_B"}'), '^PT403', 'H2: a bound login neither');
reset session authorization;

select drip.assign_secret(drip_test.kept('a'), 'env:SECRET_OF_A');
set local session authorization drip_test_bound;
select is(pg_temp.mine('{"secret_ref": "SECRET_OF_A"}'), 'no error', 'H2: what is assigned may be named');
reset session authorization;
select is(
  concat_ws(' ', drip.withdraw_secret(drip_test.kept('a'), 'SECRET_OF_A'), drip.withdraw_secret(drip_test.kept('a'), 'SECRET_OF_A')), 't f',
  'it is taken back once'
);
set local session authorization drip_test_bound;
select matches(pg_temp.mine('{"secret_ref": "SECRET_OF_A"}'), '^PT403', 'H2: and then no more');
reset session authorization;
select drip_test.act_for(drip_test.kept('a'));
select is(pg_temp.mine('{"secret_ref": "ANY"}'), 'no error', 'a trusted service names what it likes');
select is(
  concat_ws(' / ', drip_test.error_of('select drip.assign_secret(-1, ''X'')'), drip_test.error_of('select drip.assign_secret(drip_test.org(), ''no name'')')),
  'PT404 | organization not found | organization_id: -1 / '
  || 'PT422 | the name of a secret is needed | secret_ref: NAME, env:NAME (an environment variable of the runner) or file:/path',
  'PT404, PT422: what it is about is checked'
);
select * from finish();
rollback;
