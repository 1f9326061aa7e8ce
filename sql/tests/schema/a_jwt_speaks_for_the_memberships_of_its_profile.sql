begin;
select plan(12);
select drip_test.keep('b', drip_test.organization('B'));
select drip_test.contact(drip_test.org(), 'bob');
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.contact(drip_test.org(), 'ann');
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'ann@example.com');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');

select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a", "role": "authenticated"}', true);
select drip_test.act_for(null);
select is(
  (select c.external_id from drip.list_contacts(drip_test.kept('a')) as c), 'ann', 'H2: a member of one organization needs no setting'
);
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''b''))'), '^PT404', 'H2: and can name no other'
);
select drip_test.act_for(drip_test.kept('b'));
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''b''))'), '^PT404', 'H2: not even with the setting'
);

-- a member of both says which, or speaks for the one it has been a member of for longer: that others add it changes nothing
select set_config('request.jwt.claims', '', true);
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'ann@example.com', role => 'viewer');
select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-00000000000a"}', true);
select is((select c.external_id from drip.list_contacts(drip_test.kept('b')) as c), 'bob', 'H2: a member of two names one by the setting');
select drip_test.act_for(null);
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''b''))'), '^PT404', 'H2: without it there is no guess'
);
select is((select c.external_id from drip.list_contacts(drip_test.kept('a')) as c), 'ann', 'H2: but the membership that was there first');

-- whoever was added can leave, whatever its role
select drip_test.act_for(drip_test.kept('b'));
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.kept(''a''), ''00000000-0000-0000-0000-00000000000a'')'), '^PT404',
  'H2: nobody leaves an organization that it does not speak for'
);
select ok(drip.remove_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a'), 'H2: a viewer leaves');
select matches(
  drip_test.error_of('select drip.remove_member(drip_test.org(), ''00000000-0000-0000-0000-00000000000a'')'), '^PT404', 'H2: and is nobody there'
);
select drip_test.act_for(null);

select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-0000000000ff"}', true);
select drip_test.act_for(drip_test.kept('a'));
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''a''))'), '^PT404', 'H2: a stranger finds nothing'
);
select set_config('request.jwt.claims', 'no json', true);
select matches(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''a''))'), '^PT422 \| the setting request.jwt.claims cannot be read',
  'H2: claims that cannot be read are refused'
);
select * from finish();
rollback;
