begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann', '{"tags": ["lead", "vip"]}'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob', '{"tags": ["leads"]}'));
select drip_test.keep('eve', drip_test.contact(drip_test.org(), 'eve', '{"tags": ["lead"]}'));
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select results_eq(
  $$ select e.contact_id, e.outcome::text from drip.enroll_tagged(drip_test.org(), 'mails', ' lead ') as e $$,
  $$ values (drip_test.kept('ann'), 'enrolled'), (drip_test.kept('eve'), 'enrolled') $$,
  'everybody with the tag, and nobody else'
);
select drip.upsert_contact(drip_test.org(), '{"external_id": "bob", "tags": ["lead"]}');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "tags": []}');
select results_eq(
  $$ select e.contact_id, e.outcome::text from drip.enroll_tagged(drip_test.org(), 'mails', 'lead') as e $$,
  $$ values (drip_test.kept('bob'), 'enrolled'), (drip_test.kept('eve'), 'already_active') $$,
  'a repeat takes who was tagged since'
);
select is((select count(*) from drip.enroll_tagged(drip_test.org(), 'mails', 'nobody')), 0::bigint, 'a tag of nobody is no error');
select matches(drip_test.error_of('select * from drip.enroll_tagged(drip_test.org(), ''mails'', '' '')'), '^PT422 \| a tag is needed', 'PT422: a blank tag');
select is((select string_agg(distinct e.source, ' ') from drip.list_enrollments(drip_test.org()) as e), 'tag', 'the source says so');
select * from finish();
rollback;
