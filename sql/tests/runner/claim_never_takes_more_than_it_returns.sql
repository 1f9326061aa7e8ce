begin;
select plan(9);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'a');
select drip_test.mailbox(drip_test.org(), 'b');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 20));

create temporary table org as select drip_test.org() as id;
create temporary table m as select c.enrollment_id from drip.claim(batch_size => 7, organization_id => drip_test.org()) as c;
select is(m.n, 7::bigint, 'a claim returns no more than batch_size') from (select count(*) as n from m) as m;
select set_eq(
  'select id from drip_core.enrollments where organization_id = drip_test.org() and lease_expires_at is not null',
  'select enrollment_id from m', 'what is leased is what was returned'
);
select is((select count(*) from drip.claim(batch_size => 10000, organization_id => drip_test.org())), 13::bigint, 'the rest comes next');
select is((select count(*) from drip.claim(organization_id => drip_test.org())), 0::bigint, 'nothing is claimed twice');
select is(drip_test.error_of('select drip.claim(batch_size => 0)'), 'PT422 | invalid batch size | batch_size: 0', 'no batch of none');
select is(drip_test.error_of('select drip.claim(batch_size => 10001)'), 'PT422 | invalid batch size | batch_size: 10001', 'nor of more than 10000');
select is(drip_test.error_of('select drip.claim(batch_size => null)'), 'PT422 | invalid batch size | batch_size: null', 'nor of null');
select is(drip_test.error_of('select drip.claim(lease => ''0 seconds'')'), 'PT422 | invalid lease | lease: 00:00:00', 'no lease of no time');
select drip_test.no_violations();

select finish();
rollback;
