-- Each duplicate is inserted past every function, by a superuser: the constraint must refuse it.
begin;
select plan(13);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.keep('contact', drip_test.contact(drip_test.org(), 'ann', '{"tags": ["lead"], "consent": {"whatsapp_cloud": "opted_in"}}'));
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "ann"}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "hello"}');
select count(*) from drip.enroll(drip_test.org(), 'welcome', drip_test.kept('contact'));
select drip_test.settle();
select drip.upsert_contact(drip_test.org(), '{"external_id": "bob", "email": "bob@example.net", "consent": {"email": "opted_out"}}');

create function pg_temp.copy(relation regclass, condition text default 'true', overrides jsonb default '{}')
returns text
language plpgsql
as $$
begin
  -- every column but identities, from a row of this organization
  return (
    select format('insert into %s (%s) select %s from %s where organization_id = %s and %s',
      copy.relation,
      string_agg(quote_ident(a.attname), ', ' order by a.attnum),
      string_agg(coalesce(copy.overrides ->> a.attname, quote_ident(a.attname)), ', ' order by a.attnum),
      copy.relation, drip_test.org(), copy.condition)
    from pg_attribute as a
    where a.attrelid = copy.relation and a.attnum > 0 and not a.attisdropped and a.attidentity = ''
  );
end;
$$;

select throws_like(
  pg_temp.copy('drip_core.enrollments', overrides => '{"entry_no": "entry_no + 1"}'),
  '%enrollments_one_open_per_contact%', 'X12: one open enrollment per sequence and contact'
);
update drip_core.enrollments set status = 'removed', next_step_at = null
where organization_id = drip_test.org();
select throws_like(
  pg_temp.copy('drip_core.enrollments', overrides => '{"status": "''active''", "next_step_at": "now()"}'),
  '%an_entry_is_unique%', 'X12: one entry of each number, also when the first has ended'
);
select throws_like(pg_temp.copy('drip_core.messages'), '%messages_pkey%', 'X12: one message per enrollment and step');
select throws_like(pg_temp.copy('drip_core.sequences'), '%a_sequence_key_names_one_sequence%', 'X12: a key names one sequence');
select throws_like(pg_temp.copy('drip_core.sequence_versions'), '%sequence_versions_pkey%', 'X12: one version of each number');
select throws_like(
  pg_temp.copy('drip_core.steps', overrides => '{"step_no": "step_no + 10"}'),
  '%a_step_key_is_used_once%', 'X12: a step key is used once in a version'
);
select throws_like(
  pg_temp.copy('drip_core.steps', overrides => '{"key": "key || ''x''"}'),
  '%a_step_number_is_used_once%', 'X12: a step number is used once in a version'
);
select throws_like(pg_temp.copy('drip_core.channel_accounts'), '%an_account_key_names_one_account%', 'X12: a key names one sender');
select throws_like(pg_temp.copy('drip_core.contacts'), '%an_external_id_names_one_contact%', 'X12: an external_id names one contact');
select throws_like(pg_temp.copy('drip_core.contact_tags'), '%contact_tags_pkey%', 'X12: a contact has a tag once');
select throws_like(pg_temp.copy('drip_core.deals'), '%a_deal_external_id_names_one_deal%', 'X12: an external_id names one deal');
select throws_like(pg_temp.copy('drip_core.suppressions'), '%suppressions_one_in_force_idx%', 'X12: an address is suppressed once');
select throws_like(pg_temp.copy('drip_core.whatsapp_templates'), '%a_template_is_named_once_per_language%', 'X12: a template has one row per language');
select * from finish();
rollback;
