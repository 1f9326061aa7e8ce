begin;
select plan(7);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'one', 1);
select drip_test.email_sequence(drip_test.org(), 'two', 1);
select drip_test.email_sequence(drip_test.org(), 'three', 1);
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
select drip_test.keep('bob', drip_test.contact(drip_test.org(), 'bob'));
select drip_test.keep('d' || n, drip.upsert_deal(drip_test.org(), d.deal::jsonb))
from (
  values (1, '{"external_id": "1", "contact_external_id": "ann", "stage": "new"}'), (2, '{"external_id": "2", "contact_external_id": "bob", "stage": "new"}'),
  (3, '{"external_id": "3", "contact_external_id": "ann", "stage": "new"}'), (4, '{"external_id": "4", "contact_external_id": "ann", "stage": "won"}')
) as d (n, deal);
create function pg_temp.deals(p_key text)
returns text
language sql
as $$
  select string_agg(c.external_id || ':' || d.external_id, ' ' order by c.external_id)
  from drip_core.enrollments as e
  join drip_core.sequences as s on s.organization_id = e.organization_id and s.id = e.sequence_id and s.key = p_key
  join drip_core.contacts as c on c.organization_id = e.organization_id and c.id = e.contact_id
  left join drip_core.deals as d on d.organization_id = e.organization_id and d.id = e.deal_id
  where e.organization_id = drip_test.org();
$$;
select is(
  (select string_agg(e.outcome::text, ' ') from drip.enroll_deals(drip_test.org(), 'one', 'new') as e), 'enrolled enrolled', 'one row per contact'
);
select is(pg_temp.deals('one'), 'ann:3 bob:2', 'by stage: of several deals the newest of that stage');
select count(*) from drip.enroll_deals(drip_test.org(), 'two', deal_ids => array[drip_test.kept('d1'), drip_test.kept('d2')]);
select is(pg_temp.deals('two'), 'ann:1 bob:2', 'by id: the deals named');
select count(*) from drip.enroll_deals(drip_test.org(), 'three', 'won', array[drip_test.kept('d2'), drip_test.kept('d4')]);
select is(pg_temp.deals('three'), 'ann:4', 'by both: the deals named that are in the stage');
select matches(drip_test.error_of('select * from drip.enroll_deals(drip_test.org(), ''one'')'), '^PT422 \| deals are needed', 'PT422: neither stage nor ids');
select matches(
  drip_test.error_of('select * from drip.enroll_deals(drip_test.org(), ''one'', deal_ids => array[0])'), '^PT404 \| deal not found \| deal_id: 0',
  'PT404: a deal that there is not'
);
select is((select count(*) from drip.enroll_deals(drip_test.org(), 'one', 'lost')), 0::bigint, 'a stage of no deal is no error');
select * from finish();
rollback;
