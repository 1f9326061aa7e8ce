-- After an unsubscribe, whatever is done with the contact: nothing is sent, every enrollment is refused with a type.
begin;
select plan(22);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.email_sequence(drip_test.org(), 'others', 2);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"tags": ["lead"]}'));
select drip_test.keep('deal', drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "ann", "stage": "new"}'));
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann'));
select drip_test.settle();
select set_config('drip_test.link', drip.get_message(drip_test.org(), drip_test.kept('e'), 's1') ->> 'link_token', true);
select drip.unsubscribe(current_setting('drip_test.link'));

create function pg_temp.outcomes(p_contact bigint)
returns text
language sql
as $$
  select concat_ws(' ',
    (select r.outcome from drip.enroll(drip_test.org(), 'others', p_contact) as r),
    (select r.outcome from drip.enroll_many(drip_test.org(), 'others', array[p_contact]) as r),
    (select string_agg(r.outcome::text, ',') from drip.enroll_tagged(drip_test.org(), 'others', 'lead') as r),
    (select string_agg(r.outcome::text, ',') from drip.enroll_deals(drip_test.org(), 'others', 'new') as r));
$$;

select is(pg_temp.outcomes(drip_test.kept('ann')), 'opted_out opted_out opted_out opted_out', 'H4: singly, in bulk, by tag, by deal');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_in"}}');
select is(pg_temp.outcomes(drip_test.kept('ann')), 'opted_out opted_out opted_out opted_out', 'H4: an opt-in by upsert changes nothing');
select is(
  (
    select string_agg(concat_ws('/', l.state, l.is_effective, l.source), ' ' order by l.id)
    from drip_core.consent_ledger as l
    where l.organization_id = drip_test.org()
  ), 'opted_out/t/link opted_in/f/upsert', 'H4: it is recorded as a claim without effect'
);
select count(*)
from drip.upsert_contacts(drip_test.org(), '[{"external_id": "ann", "email": "Ann@Example.NET", "first_name": "Anna", "consent": {"email": "opted_in"}}]');
select is(pg_temp.outcomes(drip_test.kept('ann')), 'opted_out opted_out opted_out opted_out', 'H4: nor does a bulk edit with another case');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "email": "other@example.net"}');
select is(pg_temp.outcomes(drip_test.kept('ann')), 'opted_out opted_out opted_out opted_out', 'H4: nor another address of the same person');
select drip_test.keep('again', drip.upsert_contact(drip_test.org(), '{"external_id": "ann-2", "email": " ANN@example.net", "consent": {"email": "opted_in"}}'));
select isnt(drip_test.kept('again'), drip_test.kept('ann'), 'another contact takes the address');
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'others', drip_test.kept('again')) as r), 'opted_out', 'H4: nor another contact with the address'
);
select drip_test.keep('tagged', drip.upsert_contact(drip_test.org(), '{"external_id": "plus", "email": "ann+news@example.net"}'));
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'others', drip_test.kept('tagged')) as r), 'enrolled',
  'an address with a plus tag is another address, as the documentation says'
);
select drip.remove_enrollment(drip_test.org(), r.enrollment_id) from drip.enroll(drip_test.org(), 'others', drip_test.kept('tagged')) as r;
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "email": "ann@example.net"}');

-- erased and imported again
select drip.erase_contact(drip_test.org(), drip_test.kept('ann'), 'asked for it');
select is(pg_temp.outcomes(drip_test.kept('ann')), 'contact_not_found contact_not_found contact_not_found', 'X7: an erased contact cannot be enrolled');
select drip_test.keep('new', u.contact_id)
from drip.upsert_contacts(drip_test.org(), '[{"external_id": "ann", "email": "ann@example.net", "tags": ["lead"], "consent": {"email": "opted_in"}}]') as u;
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "ann", "stage": "new"}');
select isnt(drip_test.kept('new'), drip_test.kept('ann'), 'X7: an import makes another contact');
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'others', drip_test.kept('new')) as r), 'opted_out', 'H4: that is refused as well'
);
select is(
  (select string_agg(r.outcome::text, ',') from drip.enroll_tagged(drip_test.org(), 'others', 'lead') as r), 'opted_out', 'H4: by tag'
);

-- an enrollment that came to be in spite of it is stopped by the claim
select drip_test.keep('sly', drip_test.contact(drip_test.org(), 'sly'));
select drip_test.keep('sly_e', enrollment_id) from drip.enroll(drip_test.org(), 'others', drip_test.kept('sly'));
update drip_core.contacts as c
set email = 'ann@example.net', email_hash = drip_core._hash_address('email', 'ann@example.net')
where c.organization_id = drip_test.org() and c.id = drip_test.kept('sly');
select is(drip_test.settle(), '{}', 'H4: the claim looks again: nothing goes out');
select is(drip_test.state(drip_test.org(), drip_test.kept('sly_e')), 'unsubscribed/unsubscribed', 'H4: with the reason of the suppression');

-- the one way back
select is(
  drip_test.error_of($$select drip.reconsent(drip_test.org(), drip_test.kept('new'), 'email', '{}')$$),
  'PT422 | a re-consent needs evidence | evidence: it is empty', 'H4: without evidence nothing is lifted'
);
select is(
  drip_test.error_of($$select drip.reconsent(drip_test.org(), drip_test.kept('new'), 'email', null)$$),
  'PT422 | a re-consent needs evidence | evidence: it is empty', 'H4: null is no evidence'
);
select matches(
  drip_test.error_of($$select drip.reconsent(drip_test.org(), drip_test.kept('new'), 'email', '{"source": "form", "occurred_at": "2020-01-01T10:00:00Z"}')$$),
  '^PT409 \| the consent is older than the withdrawal', 'H4: a consent from before the withdrawal lifts nothing'
);
select is(
  drip_test.error_of($$select drip.reconsent(drip_test.org(), drip_test.kept('ann'), 'email', '{"source": "form"}')$$),
  'PT404 | contact not found | contact_id: ' || drip_test.kept('ann'), 'X7: an erased contact consents to nothing'
);
select is(
  drip.reconsent(
    drip_test.org(),
    drip_test.kept('new'),
    'email',
    '{"source": "form", "source_ref": "https://example.com/join", "wording_version": "3", "ip": "192.0.2.7", "agent": "x"}'
  ),
  1, 'H4: with evidence the suppression is lifted'
);
select results_eq(
  format($$
    select l.state, l.is_effective, l.basis, l.source, l.source_ref, l.wording_version, l.ip, l.evidence
    from drip_core.consent_ledger as l where l.organization_id = drip_test.org() and l.contact_id = %s order by l.id desc limit 1 $$, drip_test.kept('new')),
  $$ values ('opted_in'::drip.consent_state, true, 'express', 'form', 'https://example.com/join', '3', inet '192.0.2.7', '{"agent": "x"}'::jsonb) $$,
  'H4: the ledger has the evidence'
);
select is(
  (select r.outcome::text from drip.enroll(drip_test.org(), 'others', drip_test.kept('new')) as r), 'enrolled', 'H4: then she can be enrolled again'
);
select drip_test.no_violations();
select * from finish();
rollback;
