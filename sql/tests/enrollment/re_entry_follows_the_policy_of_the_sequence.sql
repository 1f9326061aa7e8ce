begin;
select plan(14);
select drip_test.organization('A');
select drip_test.mailbox(drip_test.org(), 'box');
select drip_test.email_sequence(drip_test.org(), 'never', 1);
select drip_test.email_sequence(drip_test.org(), 'when-finished', 1, '{"reentry": "when_finished"}');
select drip_test.email_sequence(drip_test.org(), 'after', 1, '{"reentry": {"after": "10 days"}}');
select drip_test.keep('ann', drip_test.contact(drip_test.org(), 'ann'));
create function pg_temp.outcomes()
returns text
language sql
as $$
  select string_agg(e.outcome::text, ' ' order by k.n)
  from unnest(array['never', 'when-finished', 'after']) with ordinality as k (key, n)
  cross join lateral drip.enroll(drip_test.org(), k.key, drip_test.kept('ann')) as e;
$$;
select drip_test.at('2026-03-01 09:00Z');
select is(pg_temp.outcomes(), 'enrolled enrolled enrolled', 'H3: the first entry is open to all');
select is(pg_temp.outcomes(), 'already_active already_active already_active', 'H3: no policy lets anybody in twice at once');
select drip_test.settle();
select is(pg_temp.outcomes(), 'already_finished enrolled cooling_down', 'H3: after the end only when_finished lets in at once');
select drip_test.at('2026-03-11 08:59Z');
select drip_test.settle();
select is(pg_temp.outcomes(), 'already_finished enrolled cooling_down', 'H3: after counts from the end of the last entry');
select drip_test.at('2026-03-11 09:00Z');
select is(pg_temp.outcomes(), 'already_finished already_active enrolled', 'H3: and lets in when the time is over');
select results_eq(
  $$
    select e.sequence_key, e.entry_no, e.status, e.step_key from drip.list_enrollments(drip_test.org()) as e order by 1, 2
  $$,
  $$
    values ('after', 1, 'completed', null), ('after', 2, 'active', 's1'), ('never', 1, 'completed', null),
      ('when-finished', 1, 'completed', null), ('when-finished', 2, 'completed', null), ('when-finished', 3, 'active', 's1')
  $$,
  'H3: re-entry is a new enrollment from the first step; the old ones stay as they ended'
);
select drip_test.settle();
select is(
  (
    select count(*) from drip_core.messages as m
    where m.organization_id = drip_test.org()
  ), 6::bigint, 'X12: each entry has its own message'
);

-- removed by a person: the same policies; an address that bounced stays out under all of them
select drip_test.at('2026-04-01 09:00Z');
select is(pg_temp.outcomes(), 'already_finished enrolled enrolled', 'a month later');
select count(*) from drip.remove_enrollments(drip_test.org(), array(
    select e.enrollment_id from drip.list_enrollments(drip_test.org(), status => 'active') as e
  ));
select is(pg_temp.outcomes(), 'already_finished enrolled cooling_down', 'H3: a removal is an end like others');
select drip_test.settle('rejected', extra => '{"reason": "invalid_address"}');
select drip_test.at('2027-04-01 09:00Z');
select is(pg_temp.outcomes(), 'bounced bounced bounced', 'H3: a bounced contact is never restarted');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "email": "fresh@example.net"}');
select is(pg_temp.outcomes(), 'already_finished enrolled enrolled', 'H3: with a new address the policy decides again');
select drip.upsert_contact(drip_test.org(), '{"external_id": "ann", "consent": {"email": "opted_out"}}');
select is(pg_temp.outcomes(), 'opted_out opted_out opted_out', 'H3: who unsubscribed is never restarted');
select is(
  (select string_agg(e.status || '/' || e.reason, ' ') from drip.list_enrollments(drip_test.org(), status => 'unsubscribed') as e),
  'unsubscribed/opted_out unsubscribed/opted_out', 'C1: the open ones ended'
);
select drip_test.no_violations();
select * from finish();
rollback;
