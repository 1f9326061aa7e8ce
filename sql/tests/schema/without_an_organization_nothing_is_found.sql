begin;
select plan(6);
select drip_test.keep('a', drip_test.organization('A'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.contact(drip_test.org(), 'ann');
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is((select count(*) from drip.list_contacts(drip_test.kept('a'))), 1::bigint, 'H2: with the setting the contact is there');
select drip_test.act_for(null);
select is(
  drip_test.error_of('select * from drip.list_contacts(drip_test.kept(''a''))'),
  'PT404 | organization not found | organization_id: ' || drip_test.kept('a'),
  'H2: without the setting the organization is not found'
);
select is(
  drip_test.error_of('select * from drip.list_contacts(null)'), 'PT404 | organization not found | organization_id: null',
  'H2: nor does naming none help'
);
select set_config('drip.organization_id', '999999999999', true);
select is(
  drip_test.error_of('select * from drip.list_contacts(999999999999)'), 'PT404 | organization not found | organization_id: 999999999999',
  'H2: an organization that does not exist is not found, in the same words'
);
select set_config('drip.organization_id', '1; drop table x', true);
select matches(
  drip_test.error_of('select * from drip.list_contacts(1)'), '^PT422 \| the setting drip.organization_id is not an organization id',
  'H2: a setting that is no id is refused'
);
select * from finish();
rollback;
