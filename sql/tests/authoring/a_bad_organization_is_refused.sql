begin;
select plan(20);
select drip_test.organization('A');
select matches(drip_test.error_of(format('select drip.create_organization(%s)', c.arguments)), c.expected, c.rule)
from (
  values
  ('''  ''', '^PT422 \| an organization needs a name', 'PT422: a name is needed'),
  ('null', '^PT422 \| an organization needs a name', 'PT422: null is no name'),
  ('''B'', ''UTC+3''', '^PT422 \| unknown time zone \| timezone: UTC\+3', 'X4: an offset is no zone name'),
  ('''B'', ''Europe/Berlln''', '^PT422 \| unknown time zone', 'X4: nor is a misspelt one'),
  ('''B'', ''EST''', '^PT422 \| unknown time zone', 'X4: nor is an abbreviation'),
  ('''B'', ''''', '^PT422 \| unknown time zone', 'X4: nor is nothing'),
  ('''B'', null', '^PT422 \| unknown time zone', 'X4: nor is null'),
  ('''B'', ''UTC'', ''{"colour": 1}''', '^PT422 \| invalid settings \| settings.colour', 'PT422: unknown settings')
) as c (arguments, expected, rule);
select
  matches(
    drip_test.error_of(format('select drip.update_organization(drip_test.org(), %L)', c.settings)), '^PT422 \| invalid settings \| settings.' || c.key, c.rule
  )
from (
  values
  ('{"public_base_url": "mail.example.com"}', 'public_base_url', 'PT422: an address without scheme'),
  ('{"public_base_url": "ftp://x.example"}', 'public_base_url', 'PT422: another scheme'),
  ('{"require_opt_in": "yes"}', 'require_opt_in', 'PT422: a text for a truth value'),
  ('{"holidays": "2026-12-25"}', 'holidays', 'PT422: one date for a list'),
  ('{"holidays": ["2026-13-40"]}', 'holidays', 'PT422: a day that there is not'),
  ('{"tracking": "yes"}', 'tracking', 'PT422: a text for whether links are counted'),
  ('{"contact_cap": {"per_day": 0}}', 'contact_cap', 'PT422: a cap of nothing is no cap'),
  ('{"contact_cap": {}}', 'contact_cap', 'PT422: an empty cap'),
  ('{"contact_cap": {"per_month": 3}}', 'contact_cap', 'PT422: days and weeks only'),
  ('{"contact_cap": 3}', 'contact_cap', 'PT422: an object'),
  ('{"default_window": {"start": "09:00"}}', 'default_window', 'PT422: half a window'),
  ('{"default_window": {"timezone": "UTC+3"}}', 'default_window.timezone', 'X4: an offset is no zone name')
) as c (settings, key, rule);
select * from finish();
rollback;
