-- Every value that the components of a template ask for is mapped by its key, and nothing else.
begin;
select plan(15);
select drip_test.organization('A');
select drip_test.phone_line(drip_test.org(), 'cloud', 'whatsapp_cloud');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "full", "status": "approved", "parameter_format": "named", "components": [
  {"type": "HEADER", "format": "DOCUMENT"},
  {"type": "BODY", "text": "Hi {{first_name}}, your {{ plan }} ends. Again: {{first_name}}"},
  {"type": "FOOTER", "text": "Reply STOP"},
  {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://x.example/{{1}}"},
    {"type": "QUICK_REPLY", "text": "Stop"}, {"type": "COPY_CODE", "text": "Copy"}, {"type": "URL", "text": "Home", "url": "https://x.example"}]}]}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "title", "status": "approved", "components": [
  {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"}, {"type": "BODY", "text": "{{2}} then {{1}}"}]}');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "place", "status": "approved", "components": [
  {"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "FLOW"}]}, {"type": "CAROUSEL"}]}');
select is(
  (
    select t.parameters from drip_core.whatsapp_templates as t
    where t.organization_id = drip_test.org() and t.name = 'full'
  ),
  '{header.document,first_name,plan,buttons.0.url,buttons.2.code}',
  'what must be given, in order; static buttons ask for nothing'
);
create function pg_temp.problems(p_template text, p_parameters jsonb, p_more jsonb default '{}')
returns text
language sql
as $$
  select coalesce(string_agg(concat_ws(' ', v.path, v.code), ', ' order by v.path, v.code), 'none')
  from drip.validate_sequence(drip_test.org(), jsonb_build_object('key', 'chats', 'steps', jsonb_build_array(jsonb_build_object(
    'key', 's1', 'channel', 'whatsapp_cloud', 'template', p_template, 'parameters', p_parameters) || p_more))) as v;
$$;
select is(pg_temp.problems('full', '{"header.document": "https://x.example/a.pdf", "first_name": "Ann", "plan": "Pro", "buttons.0.url": "a",
  "buttons.2.code": "SAVE"}'), 'none', 'M7: all that is asked for');
select is(pg_temp.problems('full', '{"header.document": "https://x.example/a.pdf", "header.filename": "a.pdf", "first_name": "Ann", "plan": "Pro",
  "buttons.0.url": "a", "buttons.1.payload": "STOP:1", "buttons.2.code": "SAVE"}'), 'none', 'M7: and what may be given');
select is(
  pg_temp.problems('full', '{"header.document": "https://x.example/a.pdf", "first_name": "Ann", "buttons.0.url": "a"}'),
  'steps[0].parameters missing_parameter, steps[0].parameters missing_parameter', 'M7: a value that is missing is a problem each'
);
select is(
  pg_temp.problems('title', '{"1": "a", "2": "b", "header.1": "c", "3": "d", "buttons.0.url": "e"}'),
  'steps[0].parameters.3 unknown_parameter, steps[0].parameters.buttons.0.url unknown_parameter', 'M7: nothing extra'
);
select is(
  pg_temp.problems('title', e'{"1": " ", "2": "{{ contact.first_name | default: '''' }}", "header.1": "{{ contact.company | default: ''\\t'' }}."}'),
  'steps[0].parameters.1 empty_parameter, steps[0].parameters.2 empty_parameter', 'M7: a value is never empty'
);
select is(
  pg_temp.problems('title', '{"1": {}, "2": ["x"], "header.1": "c"}'), 'steps[0].parameters.1 invalid, steps[0].parameters.2 invalid',
  'a value is a text'
);
select is(
  pg_temp.problems('place', '{}'), 'steps[0].template template_unsupported, steps[0].template template_unsupported, steps[0].template template_unsupported',
  'what cannot be filled is said'
);
select is(
  pg_temp.problems('title', '{"1": "a", "2": "b", "header.1": "c"}', '{"language": "de"}'), 'steps[0].template template_unavailable',
  'the language counts'
);
select is(pg_temp.problems('title', '{"1": "a", "2": "b", "header.1": "c"}', '{"text": "x"}'), 'steps[0].text invalid', 'a template or a text, not both');

-- rendered as the API takes it
select drip_test.email_sequence(drip_test.org(), 'chats', 1, '{"steps": [
  {"key": "s1", "channel": "whatsapp_cloud", "template": "full", "parameters": {"header.document": "https://x.example/a.pdf", "header.filename": "a.pdf",
    "first_name": "{{ contact.first_name }}", "plan": "{{ contact.attributes.plan }}", "buttons.0.url": "{{ contact.external_id }}",
    "buttons.1.payload": "STOP:1", "buttons.2.code": "SAVE"}},
  {"key": "s2", "channel": "whatsapp_cloud", "template": "title", "parameters": {"1": "one", "2": "two", "header.1": "head"}}]}');
select drip_test.enrolled(drip_test.org(), 'chats', array[
  drip_test.contact(drip_test.org(), 'ann', e'{"phone": "+4930123456", "first_name": "Ann", "attributes": {"plan": "Pro\\n\\t     plus"}}')
]);
create temporary table m as
select c.* from drip.claim(organization_id => drip_test.org()) as c;
select is(
  m.template -> 'components',
  '[{"type": "header", "parameters": [{"type": "document", "document": {"link": "https://x.example/a.pdf", "filename": "a.pdf"}}]},
    {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ann"},
      {"type": "text", "parameter_name": "plan", "text": "Pro plus"}]},
    {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "ann"}]},
    {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": "STOP:1"}]},
    {"type": "button", "sub_type": "copy_code", "index": "2", "parameters": [{"type": "coupon_code", "coupon_code": "SAVE"}]}]',
  'M7: each value in its place, on one line without runs of spaces'
) from m;
select drip_test.report(jsonb_agg(to_jsonb(m))) from m;
select is(
  (select c.template -> 'components' from drip.claim(organization_id => drip_test.org()) as c),
  '[{"type": "header", "parameters": [{"type": "text", "text": "head"}]},
    {"type": "body", "parameters": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}]',
  'M7: numbered ones by their number, those of the header for themselves'
);
-- a value of white space alone
select drip_test.email_sequence(drip_test.org(), 'blank', 1, '{"steps": [
  {"key": "s1", "channel": "whatsapp_cloud", "template": "title", "parameters": {"1": "{{ contact.attributes.x }}", "2": "b", "header.1": "c"}}]}');
select is(
  (
    select e.outcome::text
    from drip.enroll(drip_test.org(), 'blank', drip_test.contact(drip_test.org(), 'eve', '{"phone": "+4930123457"}')) as e
  ), 'missing_field', 'M7: a value that is missing is refused at once'
);
select drip_test.enrolled(drip_test.org(), 'blank', array[
  drip_test.contact(drip_test.org(), 'bob', e'{"phone": "+4930123458", "attributes": {"x": "\\n\\t"}}')
]);
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'M7: white space is no value: nothing is sent');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('bob')), 'failed/missing_field', 'M7: and it ends with its reason');
select * from finish();
rollback;
