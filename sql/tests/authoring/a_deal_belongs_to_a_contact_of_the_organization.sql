begin;
select plan(14);
select drip_test.organization('B');
select drip_test.keep('foreign', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.organization('A');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
create function pg_temp.deals()
returns text
language sql
as $$
  select string_agg(concat_ws('/', c.external_id, d.name, d.stage, d.amount, d.currency), ' ' order by d.id)
  from drip_core.deals as d join drip_core.contacts as c on c.organization_id = d.organization_id and c.id = d.contact_id
  where d.organization_id = drip_test.org();
$$;
select drip_test.keep('d', drip.upsert_deal(
  drip_test.org(),
  '{"external_id": "d1", "contact_external_id": "ann", "name": "Big", "stage": "new", "amount": 12.5, "currency": "eur"}'
));
select is(pg_temp.deals(), 'ann/Big/new/12.5/EUR', 'a deal is stored with its contact');
select is(
  drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "stage": "won", "amount": null}'), drip_test.kept('d'), 'it is found by external_id'
);
select is(pg_temp.deals(), 'ann/Big/won/EUR', 'an absent key keeps, null clears');
select isnt(
  drip.upsert_deal(drip_test.org(), format('{"contact_id": %s, "name": "Other"}', drip_test.kept('ann'))::jsonb), drip_test.kept('d'),
  'without external_id it is another deal'
);
select drip_test.contact(drip_test.org(), 'eve');
select drip.upsert_deal(drip_test.org(), '{"external_id": "d1", "contact_external_id": "eve"}');
select is(pg_temp.deals(), 'eve/Big/won/EUR ann/Other', 'a deal can go to another contact');
select matches(drip_test.error_of(format('select drip.upsert_deal(drip_test.org(), %L)', c.deal)), c.expected, c.rule)
from (
  values
  ('{"contact_id": ' || drip_test.kept('foreign') || '}', '^PT404 \| contact not found', 'H2: a foreign contact is not found'),
  ('{"contact_external_id": "bob"}', '^PT404 \| contact not found', 'H2: nor is one named by its foreign external_id'),
  ('{"external_id": "new"}', '^PT404 \| contact not found', 'PT404: a new deal needs a contact'),
  ('{"external_id": "d1", "contact_id": null}', '^PT404 \| contact not found', 'PT404: an old one keeps having one'),
  ('{"contact_external_id": "ann", "amount": "much"}', '^PT422 \| invalid deal \| deal.amount: much', 'PT422: an amount is a number'),
  ('{"contact_external_id": "ann", "currency": "euro"}', '^PT422 \| invalid deal', 'PT422: a currency has three letters'),
  ('{"contact_id": "x"}', '^PT422 \| invalid deal \| deal.contact_id: x', 'PT422: an id is a number'),
  ('{"contact_external_id": "ann", "stge": "won"}', '^PT422 \| invalid deal \| deal.stge: .*did you mean "stage"', 'PT422: the nearest key is named')
) as c (deal, expected, rule);
select is(pg_temp.deals(), 'eve/Big/won/EUR ann/Other', 'a refused deal changes nothing');
select * from finish();
rollback;
