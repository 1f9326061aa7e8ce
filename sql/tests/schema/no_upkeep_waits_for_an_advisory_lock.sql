-- Any login may hold any advisory lock: what all tenants need must not wait for one, nor be kept away by one.
begin;
select plan(1);
select set_eq(
  $$
    select p.proname::text from pg_proc as p
    where p.pronamespace::regnamespace::text in ('drip', 'drip_core') and p.prokind = 'f'
      and pg_get_functiondef(p.oid) ~ 'advisory(_xact)?_lock'
  $$,
  -- of one address of one organization, by a keyed hash of it: two that write the same new contact without an external id
  $$ values ('_store_contact') $$,
  'H2: the upkeep locks rows, which only its owners reach'
);
select * from finish();
rollback;
