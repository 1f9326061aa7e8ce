-- owner: drip_engine
-- Trigger: keys are made and retired, never changed or removed: links that were made with one work for ever. The address key is
-- not even retired: a suppression is the keyed hash of an address that nobody knows any more, and could not be found by another key.
-- Locks: none. Errors: PT409. Harmless to repeat.
create or replace function drip_core._guard_secret_keys()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
begin
  if tg_op = 'TRUNCATE' then
    raise exception 'a secret key never changes' using errcode = 'PT409', detail = tg_op,
      hint = 'Links that were sent need the key they were made with. drip.rotate_link_key() makes a new one beside it.';
  elsif tg_op = 'DELETE' or (tg_op = 'UPDATE'
    and (new.id, new.purpose, new.inner_pad, new.outer_pad) is distinct from (old.id, old.purpose, old.inner_pad, old.outer_pad))
  then
    raise exception 'a secret key never changes' using errcode = 'PT409', detail = format('%s of key %s', tg_op, old.id),
      hint = 'Links that were sent need the key they were made with. drip.rotate_link_key() makes a new one beside it.';
  elsif new.purpose = 'address' and (
    tg_op = 'UPDATE' and old.is_current and not new.is_current
    or tg_op = 'INSERT' and exists (select from drip_core.secret_keys as k where k.purpose = 'address')
  ) then
    raise exception 'the address key cannot be replaced' using errcode = 'PT409', detail = format('%s of key %s', tg_op, new.id),
      hint = 'Suppressions are hashes made with it: with another key none of them would be found, and who unsubscribed would be written to.';
  end if;
  return new;
end;
$$;

revoke all on function drip_core._guard_secret_keys() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core._guard_secret_keys() to drip_owner;
comment on function drip_core._guard_secret_keys() is 'Trigger: refuses to change or remove a secret key, and to replace the address key.';
