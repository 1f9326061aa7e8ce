begin;
select plan(9);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.mailbox(drip_test.org(), 'box-2');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order_update", "status": "approved", "components": [{"text": "Hi {{1}}"}]}');
create temporary table definitions (definition jsonb) on commit drop;
insert into definitions values ('{
  "key": "welcome", "name": "Welcome new leads", "on_reply": "exit", "reentry": {"after": "90 days"}, "retry": {"backoff": ["1 min", "2 hours"]},
  "senders": [{"account": "box", "weight": 2}, {"account": "box-2"}],
  "steps": [
    {"key": "intro", "channel": "email", "delay": "0", "subject": "Hi {{ contact.first_name | default: ''there'' }}", "text": "T", "html": "<p>H</p>"},
    {"key": "nudge", "channel": "whatsapp_cloud", "delay": "2 days", "template": "order_update", "language": "en",
     "parameters": {"1": "{{ contact.attributes.plan | default: \"free\" }}"}},
    {"key": "bump", "channel": "email", "delay": "1 week and 3 hours", "thread": true, "text": "Still there? {{ unsubscribe_url }}"}
  ]}');
grant select on definitions to drip_app;
set local role drip_app;
select is(current_user, 'drip_app'::name, 'the test acts as drip_app');
select is_empty($$ select p.path, p.message from definitions, drip.validate_sequence(drip_test.org(), definition) as p $$, 'the definition can be published');
select count(*) from definitions, drip.apply_sequence(drip_test.org(), definition);
select is(drip.get_sequence(drip_test.org(), 'welcome'), (select definition from definitions), 'what was published reads back');
select is(
  (select a.version from drip.apply_sequence(drip_test.org(), drip.get_sequence(drip_test.org(), 'welcome')) as a), 1,
  'and is the same version when it is applied again'
);
select count(*) from drip.apply_sequence(drip_test.org(), drip_test.email_definition('welcome', 1));
select is(drip.get_sequence(drip_test.org(), 'welcome', 1), (select definition from definitions), 'an old version reads back');
select is(drip.get_sequence(drip_test.org(), 'welcome'), drip_test.email_definition('welcome', 1), 'the default is the current one');
select matches(
  drip_test.error_of('select drip.get_sequence(drip_test.org(), ''welcome'', 9)'), '^PT404 \| version not found', 'PT404: a version that there is not'
);
select matches(
  drip_test.error_of('select drip.get_sequence(drip_test.org(), ''goodbye'')'), '^PT404 \| sequence not found', 'PT404: a sequence that there is not'
);
select count(*) from drip.apply_sequence(drip_test.org(), drip_test.email_definition('sketch', 1, '{"status": "draft"}'));
select is(
  drip.get_sequence(drip_test.org(), 'sketch'), drip_test.email_definition('sketch', 1, '{"status": "draft"}'), 'a draft says that it is one'
);
select * from finish();
rollback;
