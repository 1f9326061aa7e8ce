begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.email_sequence(drip_test.org(), 'other', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 2, 'c', '{}'));
create temporary table c as select drip_test.claims(drip_test.org()) as claims;
select drip_test.report(jsonb_build_array(c.claims -> 0), 'rejected', '{"reason": "invalid_address", "error_code": "550 5.1.1"}') from c;
select drip_test.report(jsonb_build_array(c.claims -> 1), 'rejected', '{"reason": "rejected_content"}') from c;

select results_eq(
  $$
    select s.channel::text, s.reason::text, s.scope::text, s.evidence ->> 'error_code', s.lifted_at
    from drip_core.suppressions as s where s.organization_id = drip_test.org()
  $$,
  $$ values ('email', 'invalid_address', 'all', '550 5.1.1', null::timestamptz) $$, 'one suppression, of that channel'
);
select is(s.address_hash, drip_core._hash_address('email', 'C1@Example.net'), 'of exactly that address')
from drip_core.suppressions as s
where s.organization_id = drip_test.org();
select is(r.outcome::text, 'bounced', 'H4, M9: the address cannot be enrolled again, in any sequence')
from drip.enroll(drip_test.org(), 'other', (
    select c.id from drip_core.contacts as c
    where c.organization_id = drip_test.org() and c.external_id = 'c1'
  )) as r;
select is(r.outcome::text, 'enrolled', 'one whose message was refused can')
from drip.enroll(drip_test.org(), 'other', (
    select c.id from drip_core.contacts as c
    where c.organization_id = drip_test.org() and c.external_id = 'c2'
  )) as r;
select drip_test.no_violations();

select finish();
rollback;
