begin;
select plan(1);

-- a second write of a row in one transaction checks its foreign keys: it would wait for whoever locked the other row so
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_proc as p
    where p.pronamespace in ('drip'::regnamespace, 'drip_core'::regnamespace)
      and pg_get_functiondef(p.oid) ~* '\mfor\s+update\M'
      and p.prokind = 'f'
  $$,
  'no function locks for update: no key update is enough'
);

select finish();
rollback;
