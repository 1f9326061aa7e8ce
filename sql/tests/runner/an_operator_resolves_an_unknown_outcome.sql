begin;
select plan(13);

select drip_test.at('2026-03-02T09:00:00Z');
select drip_test.organization();
select drip_test.just(drip_test.org());
select drip_test.mailbox(drip_test.org(), 'sales');
select drip_test.email_sequence(drip_test.org(), 'welcome', 2);
select drip_test.enrolled(drip_test.org(), 'welcome', drip_test.contacts(drip_test.org(), 4));
create temporary table c as
select
  k.claim,
  drip_test.report(jsonb_build_array(k.claim), 'unknown') as disposition
from jsonb_array_elements(drip_test.claims(drip_test.org())) as k (claim);
create function pg_temp.resolve(external_id text, outcome text, wrong int default 0) returns text language sql as $$
  select drip_test.error_of(format('select drip.resolve_unknown(%s, %s, %s, %L)',
    drip_test.org(), c.claim ->> 'enrollment_id', (c.claim ->> 'claim_token')::int + resolve.wrong, resolve.outcome))
  from c where (c.claim ->> 'enrollment_id')::bigint = drip_test.enrollment(resolve.external_id);
$$;

select is(pg_temp.resolve('c1', 'sent'), 'no error', 'it did arrive');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c1')), 'active s2, attempt 0, due 2026-03-03 09:00', 'it goes on');
select is(pg_temp.resolve('c2', 'retry'), 'no error', 'it shall be sent again');
select is(drip_test.place(drip_test.org(), drip_test.enrollment('c2')), 'active s1, attempt 1, due 2026-03-02 09:05', 'which counts an attempt');
select is(pg_temp.resolve('c3', 'rejected'), 'no error', 'it is given up');
select is(drip_test.state(drip_test.org(), drip_test.enrollment('c3')), 'failed/rejected_policy', 'which ends it');
select alike(pg_temp.resolve('c1', 'sent'), 'PT409 | the message is not held under this claim |%', 'once');
select alike(pg_temp.resolve('c4', 'sent', 1), 'PT409 | the message is not held under this claim |%', 'only under its own claim');
select is(pg_temp.resolve('c4', 'unknown'), 'PT422 | unknown outcome | outcome: unknown', 'only as something that is known');
select alike(
  drip_test.error_of(format('select drip.resolve_unknown(%s, -1, 1, ''sent'')', drip_test.org())), 'PT404 |%', 'only of an enrollment that is there'
);
select is((
  select count(*) from drip_report.unknown_outcomes as u
  where u.organization_id = drip_test.org()
), 1::bigint, 'one is left');
select is(drip_test.books(drip_test.org(), 'sales'), 'used 2: 0 leased, 1 held, 1 sent', 'M6: the books are right');
select drip_test.no_violations();

select finish();
rollback;
