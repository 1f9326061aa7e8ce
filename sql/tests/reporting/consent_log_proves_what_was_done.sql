begin;
select plan(2);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 2);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"consent": {"email": "opted_in"}}'));
select drip_test.keep('e', enrollment_id) from drip.enroll(drip_test.org(), 'mails', drip_test.kept('ann'));
select drip_test.settle();
select drip.unsubscribe(drip.get_message(drip_test.org(), drip_test.kept('e'), 's1') ->> 'link_token', 'one_click');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_in"}}');
select drip.suppress(drip_test.org(), 'email', 'ann@example.net', 'manual', '{"sequence_key": "mails"}');
select drip.reconsent(drip_test.org(), drip_test.kept('ann'), 'email', '{"source": "form", "wording_version": "2"}');
set local role drip_analyst;
select results_eq(
  $$
    select l.entry, l.is_effective, l.contact_id is not null, l.sequence_key, l.step_key, l.reason::text, l.source, l.wording_version
    from drip_report.consent_log as l where l.organization_id = drip_test.org()
    order by l.contact_id is null, l.entry, l.source, l.is_effective desc, l.reason
  $$,
  $$
    values ('opted_in', true, true, null, null, null, 'form', '2'), ('opted_in', true, true, null, null, null, 'upsert', null),
      ('opted_in', false, true, null, null, null, 'upsert', null), ('opted_out', true, true, 'mails', 's1', null, 'one_click', null),
      ('lifted', true, false, null, null, 'unsubscribed', null, null), ('lifted', true, false, 'mails', null, 'manual', null, null),
      ('suppressed', false, false, null, null, 'unsubscribed', null, null), ('suppressed', false, false, 'mails', null, 'manual', null, null)
  $$,
  'every statement, claims without effect included, and what became of the address'
);
select drip_test.act_for(null);
select is((select count(*) from drip_report.consent_log), 0::bigint, 'nothing is shown without an organization');
select * from finish();
rollback;
