begin;
select plan(5);

select drip_test.at('2026-03-02T09:00:00Z');
create function pg_temp.organization_with(name text, contacts int) returns bigint language plpgsql as $$
declare
  v_id constant bigint := drip_test.organization(organization_with.name);
begin
  perform drip_test.mailbox(v_id, 'main');
  perform drip_test.email_sequence(v_id, 'welcome', 1);
  perform drip_test.enrolled(v_id, 'welcome', drip_test.contacts(v_id, organization_with.contacts));
  return drip_test.keep(organization_with.name, v_id);
end;
$$;
-- whoever comes first: one with much before, between and after those with little
select pg_temp.organization_with('Much', 200);
select pg_temp.organization_with('Little', 5);
select pg_temp.organization_with('More', 200);

create function pg_temp.shares(batch_size int) returns jsonb language sql as $$
  select coalesce(jsonb_object_agg(s.name, s.n), '{}')
  from (
    select o.name, count(*) as n
    from drip.claim(batch_size => shares.batch_size) as c
    join drip_core.organizations as o on o.id = c.organization_id
    group by o.name
  ) as s
$$;
select drip_test.act_for(null);
create temp table claims as
select
  n as claim,
  pg_temp.shares(100) as shares
from generate_series(1, 4) as n;
select is(
  (select array_agg((select sum(e.value::int) from jsonb_each_text(c.shares) as e) order by c.claim)::int[] from claims as c),
  '{100,100,100,100}', 'what an organization leaves goes to the others: no place of a batch is wasted'
);
select is((
  select (c.shares ->> 'Little')::int from claims as c
  where c.claim = 1
), 5, 'the little one is served at once');
select cmp_ok((select min((c.shares ->> 'Much')::int) from claims as c), '>=', 33, 'and each of the others has its third at least');
select is((select sum(e.value::int) from jsonb_each_text(pg_temp.shares(100)) as e), 5::bigint, 'until nothing is left');
select drip_test.no_violations();

select finish();
rollback;
