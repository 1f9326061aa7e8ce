begin;
select plan(4);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.mailbox(drip_test.org(), 'box-2');
select drip_test.email_sequence(drip_test.org(), 'full', 1, '{
  "on_reply": "continue", "reentry": {"after": "90 days"}, "retry": {"backoff": ["1 min", "2 hours", "1 day"]},
  "senders": [{"account": "box", "weight": 2}, {"account": "box-2"}],
  "steps": [
    {"key": "a", "channel": "email", "subject": "{{ contact.company }}", "text": "{{ deal.name | default: ''x'' }} {{ deal.stage }}"},
    {"key": "b", "channel": "email", "delay": "2 weeks, 1 day and 90 minutes", "thread": true, "text": "100% {{ contact.company }}"}]}');
select drip_test.email_sequence(drip_test.org(), 'plain', 1);
select results_eq(
  $$
    select s.key, v.reentry::text, v.reentry_after, v.on_reply::text, v.retry_backoff, v.field_paths, v.channels::text[]
    from drip_core.sequence_versions as v join drip_core.sequences as s on s.organization_id = v.organization_id and s.id = v.sequence_id
    where v.organization_id = drip_test.org() order by 1
  $$,
  $$
    values
      ('full', 'after', '90 days'::interval, 'continue', '{00:01,02:00,"1 day"}'::interval[], '{contact.company,deal.stage}'::text[], '{email}'::text[]),
      ('plain', 'never', null, 'pause', '{00:05,00:10,00:20}', '{}', '{email}')
  $$,
  'settings are stored as given, with their defaults: never, pause, three retries after 5, 10 and 20 minutes'
);
select results_eq(
  $$
    select vs.weight, a.key from drip_core.version_senders as vs
    join drip_core.channel_accounts as a on a.organization_id = vs.organization_id and a.id = vs.channel_account_id
    where vs.organization_id = drip_test.org() order by 2
  $$,
  $$ values (2, 'box'), (1, 'box-2') $$,
  'senders are stored with their weights; none listed, none stored'
);
select results_eq(
  $$
    select s.step_no, s.key, s.delay_elapsed, s.delay_days, s.thread_root_id is not null, s.field_paths
    from drip_core.steps as s join drip_core.sequences as q on q.organization_id = s.organization_id and q.id = s.sequence_id
    where s.organization_id = drip_test.org() and q.key = 'full' order by 1
  $$,
  $$
    values (1, 'a', '0'::interval, 0, false, '{contact.company,deal.name,deal.stage,organization.imprint}'::text[]),
      (2, 'b', '01:30', 15, true, '{contact.company,organization.imprint}')
  $$,
  'delays are split into local days and elapsed time, fields are collected'
);
select results_eq(
  $$
    select s.subject_format, drip_test.without_footer(s.text_format) from drip_core.steps as s
    join drip_core.sequences as q on q.organization_id = s.organization_id and q.id = s.sequence_id
    where s.organization_id = drip_test.org() and q.key = 'full' order by s.step_no
  $$,
  $$ values ('%11$s', '%2$s %3$s'), ('Re: %7$s', '100%% %1$s') $$,
  'templates are format strings, percent signs are literal, a reply takes the subject of its thread'
);
select * from finish();
rollback;
