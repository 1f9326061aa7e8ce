-- What would be larger than 2,000,000 bytes is never rendered: the claim refuses it, and what looks at it says so, too.
begin;
select plan(17);
select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.keep('good', drip_test.organization('Good'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 3));
select drip_test.keep('bad', drip_test.organization('Bad'));
select drip_test.mailbox(drip_test.org(), 'box');
select drip.add_member(drip_test.org(), '00000000-0000-0000-0000-00000000000a', 'me@a.example');
-- 95,000 apostrophes are 475,000 bytes in html
select drip_test.keep('bomb', drip_test.contact(drip_test.org(), 'bomb', jsonb_build_object('attributes', jsonb_build_object('a', repeat('''', 95000)))));
select drip_test.keep('wide', drip_test.contact(drip_test.org(), 'wide', jsonb_build_object('attributes', jsonb_build_object('a', repeat('x', 95000)))));
select drip_test.keep('small', drip_test.contact(drip_test.org(), 'small', '{"attributes": {"a": "x"}}'));
select drip.apply_sequence(drip_test.org(), jsonb_build_object('key', 'large', 'steps', jsonb_build_array(
  jsonb_build_object('key', 's1', 'channel', 'email', 'subject', 'x', 'text', 't', 'html', repeat('{{contact.attributes.a}}', 900)),
  jsonb_build_object('key', 's2', 'channel', 'email', 'subject', 'x', 'text', repeat('{{contact.attributes.a}}', 20), 'html', '{{contact.attributes.a}}'),
  jsonb_build_object('key', 's3', 'channel', 'email', 'subject', 'x', 'text', 'x {{contact.attributes.a}}', 'html', repeat('{{contact.attributes.a}}', 4)),
  jsonb_build_object('key', 's4', 'channel', 'email', 'subject', 'x', 'text', (
    select string_agg(format('{{contact.attributes.a | default: ''%s''}}', i), '') from generate_series(1, 900) as i
  ))
)));
select drip_test.enrolled(drip_test.org(), 'large', array[drip_test.kept('bomb'), drip_test.kept('wide'), drip_test.kept('small')]);

create function pg_temp.previewed(p_step text, p_contact text)
returns text
language sql
as $$
  select drip_test.error_of(format('select drip.preview(drip_test.org(), ''large'', %L, drip_test.kept(%L))', p_step, p_contact));
$$;
create function pg_temp.tested(p_step text, p_contact text)
returns text
language sql
as $$
  select drip_test.error_of(format('select drip.send_test(drip_test.org(), ''large'', %L, drip_test.kept(%L), ''me@a.example'')', p_step, p_contact));
$$;
select alike(
  pg_temp.previewed('s1', 'bomb'),
  'PT409 | the message is too large | contact_id: ' || drip_test.kept('bomb') || ', at most 2,000,000 bytes%',
  'a preview says so'
);
select alike(pg_temp.previewed('s2', 'wide'), 'no error', 'what has room is shown');
select alike(pg_temp.previewed('s2', 'bomb'), 'PT409 | the message is too large%', 'escaped for html it has no room');
select is(
  octet_length(drip.preview(drip_test.org(), 'large', 's3', drip_test.kept('bomb')) ->> 'html_body') between 1900000 and 2000000, true,
  'a message just below the limit is rendered'
);
select alike(pg_temp.previewed('s4', 'wide'), 'PT409 | the message is too large%', 'many fields of the same value count each');
select alike(pg_temp.previewed('s1', 'small'), 'no error', 'the same step with a short value');
select alike(pg_temp.tested('s1', 'bomb'), 'PT409 | the message is too large%', 'no test is made of it');
select alike(pg_temp.tested('s4', 'wide'), 'PT409 | the message is too large%', 'nor of many fields');
select results_eq(
  format('select verdict, detail from drip.why(drip_test.org(), %s) where rule = ''eligibility''', drip_test.enrollment('bomb')),
  $$ values ('rejected_content', 'the enrollment would end as failed at its claim') $$,
  'why says what becomes of it'
);
select results_eq(
  format('select day, channel_account_key, sent, deferred, ended, reason from drip.simulate(drip_test.org(), ''large'', array[%s], 1)', drip_test.kept('bomb')),
  $$ values ('2026-03-02'::date, 'box', 4::bigint, 0::bigint, 1::bigint, null::text),
  ('2026-03-02'::date, 'box', 0::bigint, 0::bigint, 2::bigint, 'rejected_content') $$, 'a simulation foresees it'
);

-- what a member stored while it was short, and the step's publishing let pass
create temporary table sent on commit drop as select * from drip.claim(100);
select is((
  select count(*) from sent
  where sent.organization_id = drip_test.kept('good')
), 3::bigint, 'X2: the other organization gets its messages');
select results_eq(
  format('select to_address from sent where organization_id = %s', drip_test.org()), $$ values ('small@example.net') $$,
  'X2: and so does the other contact'
);
select is(drip_test.state(drip_test.org(), drip_test.enrollment('bomb')), 'failed/rejected_content', 'X3: it ends with a typed reason');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('wide')), 'failed/rejected_content', 'X3: the other large one, too');
-- a test that became too large after it was asked for
select drip.send_test(drip_test.org(), 'large', 's1', drip_test.kept('small'), 'me@a.example');
select drip.upsert_contact(drip_test.org(), jsonb_build_object('external_id', 'small', 'attributes', jsonb_build_object('a', repeat('''', 95000))));
select is((select count(*) from drip.claim(100)), 0::bigint, 'a test that became too large is not rendered');
select results_eq('select status::text, error_message from drip.list_tests(drip_test.org())', $$ values ('failed', 'the message is too large') $$, 'it failed');
select drip_test.no_violations();
select * from finish();
rollback;
