begin;
select plan(13);
select drip_test.organization('A');
create function pg_temp.template()
returns text
language sql
as $$
  select concat_ws(' ', t.name, t.language, t.category, t.status, t.parameter_format, t.parameters)
  from drip_core.whatsapp_templates as t where t.organization_id = drip_test.org() and t.name = 'order_update';
$$;
select drip_test.keep('t', drip.apply_whatsapp_template(drip_test.org(), '{"name": "order_update", "category": "UTILITY", "status": "APPROVED",
  "components": [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hi {{1}}, {{ 2 }} is ready, {{1}}."}]}'));
select is(pg_temp.template(), 'order_update en utility approved positional {header.image,1,2}', 'M7: each placeholder once, in order');
select is(
  drip.apply_whatsapp_template(drip_test.org(), '{"name": "order_update", "status": "paused"}'), drip_test.kept('t'), 'found by name and language'
);
select is(pg_temp.template(), 'order_update en utility paused positional {header.image,1,2}', 'an absent key keeps its value');
select drip.apply_whatsapp_template(drip_test.org(), '{"name": "order_update", "parameter_format": "named", "category": null,
  "components": [{"type": "BODY", "text": "Hi {{first_name}}"}]}');
select is(pg_temp.template(), 'order_update en paused named {first_name}', 'new components have new placeholders, null clears');
select isnt(
  drip.apply_whatsapp_template(drip_test.org(), '{"name": "order_update", "language": "pt_BR"}'), drip_test.kept('t'), 'another language is another template'
);
select is(
  (
    select t.status from drip_core.whatsapp_templates as t
    where t.organization_id = drip_test.org() and t.language = 'pt_BR'
  ), 'pending',
  'a template is approved by the provider, not by default'
);
select matches(drip_test.error_of(format('select drip.apply_whatsapp_template(drip_test.org(), %L)', c.template)), '^PT422 \| invalid template', c.rule)
from (
  values
  ('{}', 'PT422: a name is needed'),
  ('{"name": "Order Update"}', 'PT422: lower case, no blanks'),
  (format('{"name": "%s"}', repeat('x', 513)), 'PT422: of at most 512 characters'),
  ('{"name": "x", "language": "english"}', 'PT422: a language is a code'),
  ('{"name": "x", "status": "maybe"}', 'PT422: a status is known'),
  ('{"name": "x", "components": {}}', 'PT422: components are a list'),
  ('{"name": "x", "lang": "en"}', 'PT422: keys are known')
) as c (template, rule);
select * from finish();
rollback;
