begin;
select plan(10);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"consent": {"email": "opted_out"}}'));
create function pg_temp.outcome(p_contact bigint)
returns text
language sql
as $$
  select outcome::text from drip.enroll(drip_test.org(), 'mails', p_contact);
$$;
select is(pg_temp.outcome(drip_test.kept('ann')), 'opted_out', 'H4: who opted out is not enrolled');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_in"}}');
select is(pg_temp.outcome(drip_test.kept('ann')), 'opted_out', 'H4: an update does not lift it');
select count(*) from drip.upsert_contacts(drip_test.org(), '[{"external_id": "ann", "consent": {"email": "opted_in"}}]');
select is(pg_temp.outcome(drip_test.kept('ann')), 'opted_out', 'H4: an import does not lift it');
select results_eq(
  $$ select l.state, l.is_effective, l.source from drip_core.consent_ledger as l where l.organization_id = drip_test.org() order by l.id $$,
  $$ values ('opted_out'::drip.consent_state, true, 'upsert'), ('opted_in', false, 'upsert') $$,
  'H4: the claim is recorded, once and without effect'
);
select is(
  (select consent from drip.list_contacts(drip_test.org())), '{"email": "opted_out"}', 'H4: the opt-out is what counts'
);
-- the person comes back as another contact
select drip_test.keep('again', drip_test.contact(drip_test.org(), 'ann-2', '{"email": "ANN@example.net", "consent": {"email": "opted_in"}}'));
select isnt(drip_test.kept('again'), drip_test.kept('ann'), 'the address is given to a new contact');
select is(pg_temp.outcome(drip_test.kept('again')), 'opted_out', 'H4: the address stays suppressed for a contact made anew');
select is(
  (
    select l.is_effective from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org() and l.contact_id = drip_test.kept('again') and l.state = 'opted_in'
  ),
  false, 'H4: its opt-in meets a suppression and has no effect'
);
-- an opt-in where nothing was said counts
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"consent": {"email": "opted_in"}}'));
select is(pg_temp.outcome(drip_test.kept('bob')), 'enrolled', 'an opt-in of somebody new counts');
select is(
  (
    select count(*) from drip_core.suppressions as s
    where s.organization_id = drip_test.org() and s.lifted_at is null
  ), 1::bigint,
  'H4: the suppression is still in force'
);
select * from finish();
rollback;
