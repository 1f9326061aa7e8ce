begin;
select plan(16);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales', '{"daily_limit": 10}');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2, '{"steps": [
  {"key": "s1", "channel": "email", "subject": "Hi {{ contact.company }}", "text": "Hi"},
  {"key": "s2", "channel": "email", "delay": "1 day", "subject": "Hi", "text": "Hi"}]}');
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 6, 'c', '{"company": "Acme"}'), '2026-03-03T09:00:00Z');

-- behind the back of every function that would end them at once
create function pg_temp.suppress(external_id text, reason drip.reason) returns void language sql as $$
  insert into drip_core.suppressions (organization_id, channel, address_hash, reason)
  select c.organization_id, 'email', c.email_hash, suppress.reason
  from drip_core.contacts as c where c.organization_id = drip_test.org() and c.external_id = suppress.external_id;
$$;
select
  pg_temp.suppress('c1', 'bounced'),
  pg_temp.suppress('c2', 'manual'),
  pg_temp.suppress('c3', 'unsubscribed');
insert into drip_core.consent_ledger (organization_id, contact_id, channel, state, is_effective, source, occurred_at)
select
  c.organization_id,
  c.id,
  'email',
  'opted_out',
  true,
  'test',
  drip_core.now()
from drip_core.contacts as c
where c.organization_id = drip_test.org() and c.external_id = 'c4';
select drip.upsert_contact(drip_test.org(), '{"external_id": "c5", "company": null}');

select drip_test.at('2026-03-03T09:00:00Z');
create temporary table m as select c.to_address from drip.claim(organization_id => drip_test.org()) as c;
select is((select string_agg(m.to_address, ',') from m), 'c6@example.net', 'what may go out is not affected by what may not (X2)');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c1')), 'bounced/bounced', 'X3: a bounced address');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c2')), 'removed/manual', 'X3: an address suppressed by hand');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c3')), 'unsubscribed/unsubscribed', 'X3: an unsubscribed address');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c4')), 'unsubscribed/opted_out', 'X3: a contact that opted out');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c5')), 'failed/missing_field', 'X3: a field without value');
select is(drip_test.events(drip_test.org(), drip_test.enrollment(k.key)), k.events, 'M8: one event of the end, with its reason: ' || k.key)
from (
  values
  ('c1', 'enrolled bounced'), ('c2', 'enrolled removed'), ('c3', 'enrolled unsubscribed'), ('c4', 'enrolled unsubscribed'), ('c5', 'enrolled failed')
) as k (key, events);
select is((
  select count(*) from drip_core.messages as x
  where x.organization_id = drip_test.org()
), 0::bigint, 'no message is recorded for them');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 1: 1 leased, 0 held, 0 sent', 'M6: and no capacity is taken');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 0, 'X3: the due set is empty');
select drip_test.at('2026-03-20T09:00:00Z');
select is(jsonb_array_length(drip_test.claims(drip_test.org())), 1, 'nothing of them ever comes back: only the lease that expired');
select drip_test.no_violations();

select finish();
rollback;
