begin;
select plan(7);
select drip_test.organization('A');
create function pg_temp.settings()
returns text
language sql
as $$
  select concat_ws(' | ', coalesce(o.postal_address, '-'), coalesce(o.public_base_url, '-'), o.require_opt_in, o.holidays)
  from drip_core.organizations as o where o.id = drip_test.org();
$$;
select is(pg_temp.settings(), '1 Example Street, Exampleton | https://mail.example.com | f | {}', 'as created');
select drip.update_organization(drip_test.org(), '{"require_opt_in": true, "holidays": ["2026-12-26", "2026-12-25"], "public_base_url": "https://x.example/"}');
select is(
  pg_temp.settings(), '1 Example Street, Exampleton | https://x.example | t | {2026-12-25,2026-12-26}',
  'an absent key keeps its value, a given one replaces it'
);
select drip.update_organization(drip_test.org(), '{"postal_address": null, "require_opt_in": null, "holidays": null}');
select is(pg_temp.settings(), '- | https://x.example | f | {}', 'null clears');
select is(
  (
    select settings from drip_core.organizations
    where id = drip_test.org()
  ), '{"public_base_url": "https://x.example/"}'::jsonb,
  'what was given and not cleared reads back'
);
select matches(
  drip_test.error_of('select drip.update_organization(drip_test.org(), ''{"require_opt_inn": true}'')'),
  '^PT422 \| invalid settings \| settings.require_opt_inn: "require_opt_inn" is not a known key; did you mean "require_opt_in"\?$',
  'an unknown key is refused with the nearest known one'
);
select matches(
  drip_test.error_of('select drip.update_organization(drip_test.org(), ''[]'')'), '^PT422 \| invalid settings \| settings: a JSON object is needed',
  'settings are an object'
);
select is(pg_temp.settings(), '- | https://x.example | f | {}', 'a refused change changes nothing');
select * from finish();
rollback;
