begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 1);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 28));

create temporary table c as select drip_test.claims(drip_test.org()) as claims;
create temporary table answers as
select
  a.enrollment_id,
  a.disposition,
  a.ordinality as n
from c
cross join lateral drip.advance((
  select
    jsonb_agg(x.claim || case x.n
      when 13 then '{"outcome": "rejected", "reason": "invalid_address"}'
      when 14 then '{"outcome": "sent", "claim_token": 1}'
      else '{"outcome": "sent"}'
    end::jsonb order by x.n desc)
  from jsonb_array_elements(c.claims) with ordinality as x (claim, n)
)) with ordinality as a;

select is((
  select count(*) from answers
  where answers.disposition = 'completed'
), 26::bigint, 'X2: the others are settled as sent');
select
  is((
    select string_agg(answers.disposition, ' ' order by answers.n) from answers
    where answers.disposition <> 'completed'
  ), 'stale bounced', 'each bad one for itself');
select is(
  (select array_agg(answers.enrollment_id order by answers.n) from answers),
  (select array_agg((x.claim ->> 'enrollment_id')::bigint order by x.n desc) from c cross join jsonb_array_elements(c.claims) with ordinality as x (claim, n)),
  'the answers come in the order of the results'
);
select is((
  select count(*) from drip_core.messages as m
  where m.organization_id = drip_test.org() and m.status = 'sent'
), 26::bigint, 'one message each');
select drip_test.no_violations();

select finish();
rollback;
