begin;
select plan(87);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'sales-mailbox');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "two", "status": "approved", "components": [{"text": "{{1}} {{2}}"}]}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "waiting", "components": []}');

-- what is laid over a good definition, or over its only step; the path and code that must be reported, and what the message says
create temporary table bad (n int generated always as identity, change jsonb, step jsonb, path text, code text, says text) on commit drop;
insert into bad (change, step, path, code, says) values
('{"window": "always"}', null, 'window', 'invalid', 'a window is an object'),
('{"window": {"days": ["mon", "funday"], "start": "09:00", "end": "17:00"}}', null, 'window.days[1]', 'invalid', '"funday" is not a weekday'),
('{"window": {"days": [], "start": "09:00", "end": "17:00"}}', null, 'window.days', 'invalid', 'leave it out for every day'),
('{"window": {"days": [8], "start": "09:00", "end": "17:00"}}', null, 'window.days[0]', 'invalid', '"8" is not a weekday'),
('{"window": {"start": "09:00"}}', null, 'window.end', 'required', 'both start and end'),
('{"window": {"start": "9 am", "end": "17:00"}}', null, 'window.start', 'invalid', 'is not a time of day'),
('{"window": {"start": 540, "end": "17:00"}}', null, 'window.start', 'invalid', 'in quotes'),
('{"window": {"start": "24:00", "end": "17:00"}}', null, 'window.start', 'invalid', 'is not a time of day'),
('{"window": {"start": "09:00", "end": "25:00"}}', null, 'window.end', 'invalid', 'at most "24:00"'),
('{"window": {"timezone": "UTC+3"}}', null, 'window.timezone', 'invalid', 'is not a zone name'),
('{"window": {"timezone": "Europe/Berlln"}}', null, 'window.timezone', 'invalid', 'did you mean "Europe/Berlin"'),
('{"window": {"holidays": "2026-12-25"}}', null, 'window.holidays', 'invalid', 'a list of dates'),
('{"window": {"holidays": ["2026-12-25", "25.12.2026"]}}', null, 'window.holidays[1]', 'invalid', 'use YYYY-MM-DD'),
('{"window": {"holidays": ["2026-02-30"]}}', null, 'window.holidays[0]', 'invalid', 'not in the calendar'),
('{"window": {"begin": "09:00"}}', null, 'window.begin', 'unknown_key', 'is not a known key'),
('{"window": []}', null, 'window', 'required', 'would never open'),
('{"window": {"hours": [], "timezone": "contact"}}', null, 'window', 'required', 'would never open'),
('{"window": {"hours": {}}}', null, 'window.hours', 'invalid', 'hours is a list'),
('{"window": {"hours": [{"start": "09:00", "end": "12:00", "timezone": "UTC"}]}}', null, 'window.hours[0].timezone', 'unknown_key', 'is not a known key'),
('{"window": {"hours": [{"start": "09:00", "end": "12:00"}, {"start": "13:00"}]}}', null, 'window.hours[1].end', 'required', 'both start and end'),
('{"window": {"hours": [{"days": ["mon"]}], "start": "09:00"}}', null, 'window.start', 'unknown_key', 'is not a known key'),
('{"window": [{"start": "09:00", "end": "12:00", "timezone": "UTC"}, {"start": "13:00", "end": "18:00"}]}', null, 'window', 'invalid', 'one time zone'),
('{"window": [{"start": "09:00", "end": "12:00"}, 7]}', null, 'window[1]', 'invalid', 'an object with days, start and end'),
('{"reentry": {"after": "3 business days"}}', null, 'reentry.after', 'invalid', 'which are for steps'),
('{"retry": {"backoff": ["at 09:00"]}}', null, 'retry.backoff[0]', 'invalid', 'which are for steps'),
(null, '{"delay": "2 dayz"}', 'steps[0].delay', 'invalid', 'try "2 days"'),
(null, '{"delay": "next day at 25:00"}', 'steps[0].delay', 'invalid', 'no local time of day'),
(null, '{"delay": "2 hours at 09:00"}', 'steps[0].delay', 'invalid', 'leave one of them out'),
('{"exit_on": {"deal_created": "yes"}}', null, 'exit_on.deal_created', 'invalid', 'true or false'),
('{"goal": {"within": "30 days"}}', null, 'goal.deal_stages', 'required', 'such as'),
('{"enroll_on": [{"tag_add": "x"}]}', null, 'enroll_on[0].tag_add', 'unknown_key', 'tag_added'),
('{"sender": []}', null, 'sender', 'unknown_key', 'did you mean "senders"'),
('{"key": "Not A Slug"}', null, 'key', 'invalid', 'lower-case'),
('{"key": null}', null, 'key', 'required', 'lower-case'),
('{"name": " "}', null, 'name', 'invalid', '1 to 200'),
('{"status": "live"}', null, 'status', 'invalid', 'draft, active'),
('{"on_reply": "stop"}', null, 'on_reply', 'invalid', 'pause, exit or continue'),
('{"reentry": "always"}', null, 'reentry', 'invalid', 'when_finished'),
('{"reentry": {"after": "soon"}}', null, 'reentry.after', 'invalid', 'is not a delay'),
('{"reentry": {"afer": "9 days"}}', null, 'reentry.afer', 'unknown_key', 'did you mean "after"'),
('{"retry": {"backoff": "5 min"}}', null, 'retry.backoff', 'invalid', 'a list'),
('{"retry": {"backoff": ["5 min", "x"]}}', null, 'retry.backoff[1]', 'invalid', 'is not a delay'),
('{"senders": {}}', null, 'senders', 'invalid', 'a list is needed'),
('{"senders": ["sales-mailbox"]}', null, 'senders[0]', 'invalid', 'an object'),
('{"senders": [{"account": "sales-mailbx"}]}', null, 'senders[0].account', 'not_found', 'did you mean "sales-mailbox"'),
('{"senders": [{"account": "sales-mailbox", "weight": 0}]}', null, 'senders[0].weight', 'invalid', 'whole number'),
('{"senders": [{"account": "sales-mailbox", "weight": "2"}]}', null, 'senders[0].weight', 'invalid', 'whole number'),
('{"senders": [{"account": "sales-mailbox"}, {"account": "sales-mailbox"}]}', null, 'senders', 'duplicate', 'listed twice'),
('{"senders": [{"account": "sales-mailbox", "wieght": 2}]}', null, 'senders[0].wieght', 'unknown_key', 'did you mean "weight"'),
('{"steps": []}', null, 'steps', 'required', 'at least one step'),
('{"steps": null}', null, 'steps', 'required', 'at least one step'),
('{"steps": ["hello"]}', null, 'steps[0]', 'invalid', 'an object'),
(null, '{"key": "A B"}', 'steps[0].key', 'invalid', 'lower-case'),
(null, '{"channel": "fax"}', 'steps[0].channel', 'invalid', 'email, whatsapp_cloud'),
(null, '{"channel": "whatsapp_lite", "subject": null}', 'steps[0].channel', 'no_sender', 'no sender for the channel "whatsapp_lite"'),
(null, '{"channel": "whatsapp_lite", "subject": null, "text": "Hi from {{ sender.display_name }}"}', 'steps[0].text', 'identical_text', 'the same text'),
(null, '{"channel": "whatsapp_lite", "subject": null, "allow_identical_text": 1}', 'steps[0].allow_identical_text', 'invalid', 'true or false'),
(null, '{"allow_identical_text": true}', 'steps[0].allow_identical_text', 'unknown_key', 'not a known key'),
(null, '{"delay": "a while"}', 'steps[0].delay', 'invalid', 'is not a delay'),
(null, '{"delay": "-1 day"}', 'steps[0].delay', 'invalid', 'is not a delay'),
(null, '{"delay": "9000 days"}', 'steps[0].delay', 'invalid', 'longer than ten years'),
(null, '{"subject": " "}', 'steps[0].subject', 'required', 'needs a subject'),
(null, '{"subject": 7}', 'steps[0].subject', 'invalid', 'is a text'),
(null, '{"text": "", "html": ""}', 'steps[0].text', 'required', 'a text or an html'),
(null, '{"body": "Hi"}', 'steps[0].body', 'unknown_key', '"body" is not a known key'),
(null, '{"template": "two"}', 'steps[0].template', 'unknown_key', 'not a known key'),
(null, '{"thread": "yes", "subject": null}', 'steps[0].thread', 'invalid', 'true or false'),
(null, '{"thread": true}', 'steps[0].subject', 'invalid', 'leave subject out'),
(null, '{"thread": true}', 'steps[0].thread', 'invalid', 'no earlier email step'),
(null, '{"text": "Hi {{ contact.frist_name }}"}', 'steps[0].text', 'merge_field', 'did you mean "contact.first_name"'),
(null, '{"subject": "Hi {{ name }}"}', 'steps[0].subject', 'merge_field', 'is not a known field'),
(null, '{"html": "{% if x %}"}', 'steps[0].html', 'merge_field', 'only {{ field }}'),
(null, '{"text": "Hi {{ contact.first_name | upcase }}"}', 'steps[0].text', 'merge_field', 'is not a merge field'),
(null, '{"text": "Hi {{ contact.first_name"}', 'steps[0].text', 'merge_field', 'is never closed'),
(null, '{"text": "Hi {{ }}"}', 'steps[0].text', 'merge_field', 'is not a merge field'),
('{"steps": [{"key": "w", "channel": "whatsapp_cloud"}]}', null, 'steps[0].template', 'required', 'the name of a template'),
(
  '{"steps": [{"key": "w", "channel": "whatsapp_cloud", "template": "none"}]}', null, 'steps[0].template', 'template_unavailable', 'there is no template "none"'
),
('{"steps": [{"key": "w", "channel": "whatsapp_cloud", "template": "waiting"}]}', null, 'steps[0].template', 'template_unavailable', 'not approved'),
(
  '{"steps": [{"key": "w", "channel": "whatsapp_cloud", "template": "two", "parameters": {"1": "x"}}]}',
  null,
  'steps[0].parameters',
  'missing_parameter',
  '{{2}}'
),
(
  '{"steps": [{"key": "w", "channel": "whatsapp_cloud", "template": "two", "parameters": {"1": "x", "2": "y", "3": "z"}}]}',
  null,
  'steps[0].parameters.3',
  'unknown_parameter',
  'no placeholder {{3}}'
),
(
  '{"steps": [{"key": "w", "channel": "whatsapp_cloud", "template": "two", "parameters": {"1": "{{ x }}", "2": "y"}}]}',
  null,
  'steps[0].parameters.1',
  'merge_field',
  'is not a known field'
),
(
  '{"steps": [{"key": "a", "channel": "email", "subject": "x", "text": "y"}, {"key": "a", "channel": "email", "subject": "x", "text": "y"}]}',
  null,
  'steps[1].key',
  'duplicate',
  'used twice'
);

create function pg_temp.definition(p_change jsonb, p_step jsonb)
returns jsonb
language sql
as $$
  select jsonb_set(d || coalesce(p_change, '{}'), '{steps,0}', (d -> 'steps' -> 0) || coalesce(p_step, '{}'), false)
    || case when p_change ? 'steps' then p_change else '{}' end
  from drip_test.email_definition('good', 1) as d;
$$;
select is_empty($$ select * from drip.validate_sequence(drip_test.org(), pg_temp.definition(null, null)) $$, 'the good definition has no problem');
select
  is(
    coalesce(
      (
        select string_agg(concat_ws(' ', p.path, p.code), ', ') from drip.validate_sequence(drip_test.org(), pg_temp.definition(b.change, b.step)) as p
        where p.path = b.path and p.code = b.code and strpos(p.message, b.says) > 0
      ),
      (
        select string_agg(concat_ws(' ', p.path, p.code, p.message), ', ')
        from drip.validate_sequence(drip_test.org(), pg_temp.definition(b.change, b.step)) as p
      )
    ),
    b.path || ' ' || b.code,
    format('PT422: %s: %s, "%s"', b.path, b.code, b.says)
  )
from bad as b
order by b.n;
select results_eq(
  $$ select p.path, p.code from drip.validate_sequence(drip_test.org(), '"hello"') as p $$, $$ values ('', 'invalid') $$, 'PT422: a definition is an object'
);
select drip.update_organization(drip_test.org(), '{"public_base_url": null}');
select results_eq(
  $$ select p.path, p.code from drip.validate_sequence(drip_test.org(), pg_temp.definition(null, null)) as p $$,
  $$ values ('steps[0]', 'no_public_base_url') $$,
  'PT422: an email step needs the public_base_url of the organization'
);
select matches(
  drip_test.error_of($$ select drip.apply_sequence(drip_test.org(), pg_temp.definition('{"goal": {}, "on_reply": "x"}', '{"delay": "?"}')) $$),
  '(?s)^PT422 \| invalid sequence definition \| goal.deal_stages: .*on_reply: .*steps\[0\].delay: .*steps\[0\]: .*public_base_url',
  'PT422: apply_sequence refuses by the same judge, with every problem in DETAIL'
);
select is((select count(*) from drip.list_sequences(drip_test.org())), 0::bigint, 'nothing of them is published');
select * from finish();
rollback;
