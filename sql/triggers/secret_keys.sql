-- requires: functions/internal/_guard_secret_keys.sql
-- The two secret keys of the installation; see _guard_secret_keys.
create or replace trigger keys_are_made_and_retired
before insert or update or delete on drip_core.secret_keys
for each row execute function drip_core._guard_secret_keys();

create or replace trigger keys_are_never_emptied
before truncate on drip_core.secret_keys
for each statement execute function drip_core._guard_secret_keys();

comment on trigger keys_are_made_and_retired on drip_core.secret_keys is 'A key never changes, and the address key is never replaced.';
comment on trigger keys_are_never_emptied on drip_core.secret_keys is 'A key is never removed.';
