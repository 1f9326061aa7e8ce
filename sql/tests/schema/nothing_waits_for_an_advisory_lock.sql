-- Any login may hold any advisory lock, and sees in pg_locks which ones others use: nothing waits for one, nor is kept away by one.
begin;
select plan(1);
select is_empty(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core') and p.prokind = 'f'
      and pg_get_functiondef(p.oid) ~ 'advisory(_xact)?_lock'
  $$,
  'H2: what waits waits for rows, which only the owners reach'
);
select * from finish();
rollback;
