-- A webhook's batch: each report for itself; what a sender says of its webhooks is told to the runner alone.
begin;
select plan(6);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box', '{"provider": "sendgrid", "config": {"webhook": {"public_key": "abc"}, "other": 1}}');
select drip_test.mailbox(drip_test.org(), 'plain');
select drip_test.email_sequence(drip_test.org(), 'mails', 1);
select drip_test.enrolled(drip_test.org(), 'mails', drip_test.contacts(drip_test.org(), 1));
create temporary table flown on commit drop as select * from drip.claim(organization_id => drip_test.org());
select drip_test.report((
  select jsonb_agg(jsonb_build_object('organization_id', f.organization_id, 'enrollment_id', f.enrollment_id, 'claim_token', f.claim_token)) from flown as f
));
select results_eq(
  $$
    select r.ordinal, r.outcome
    from flown as f
    cross join lateral drip.record_provider_events(drip_test.org(), jsonb_build_array(
      jsonb_build_object('message_token', f.message_token, 'type', 'delivered', 'external_id', '1'), '{"type": "exploded"}'::jsonb, '7'::jsonb,
      jsonb_build_object('message_token', f.message_token, 'type', 'opened', 'external_id', '2'),
      jsonb_build_object('message_token', f.message_token, 'type', 'delivered', 'external_id', '1'))) as r $$,
  $$ values (1, 'recorded'), (2, 'invalid'), (3, 'invalid'), (4, 'recorded'), (5, 'duplicate') $$,
  'X2: what cannot be read stops no other'
);
select is(
  (
    select string_agg(e.type::text, ' ' order by e.id) from drip_core.events as e
    where e.organization_id = drip_test.org() and e.type in ('delivered', 'opened')
  ),
  'delivered opened', 'X2: the others are recorded'
);
select matches(drip_test.error_of($$ select drip.record_provider_events(drip_test.org(), '{}') $$), '^PT422 . invalid events', 'a batch is a list');
select is(drip.webhook_settings(drip_test.org(), 'box'), '{"provider": "sendgrid", "public_key": "abc"}', 'how its provider signs');
select is(drip.webhook_settings(drip_test.org(), 'plain'), null, 'a sender that says nothing of webhooks has none');
select is(drip.webhook_settings(drip_test.org(), 'nobody'), null, 'nor has one that there is not');
select * from finish();
rollback;
