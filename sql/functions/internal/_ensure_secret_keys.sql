-- owner: drip_engine
-- requires: functions/internal/_key_pad.sql
-- Makes the link-signing key and the address-hash key where they are missing: 256 random bits for addresses, twice as many for
-- links (see _token_macs). A link key of the first version, two 64-byte pads, is retired: its tokens stay valid for ever, new
-- ones are made with the new key. The address key stays what it is: addresses are found by it.
-- Locks: the keys. Errors: none. A repeat changes nothing.
create or replace function drip_core._ensure_secret_keys()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_purpose text;
  v_key bytea;
  v_inner bytea;
  v_outer bytea;
begin
  update drip_core.secret_keys as k
  set is_current = false
  where k.purpose = 'link' and k.is_current and octet_length(k.inner_pad) = 64;
  foreach v_purpose in array array['link', 'address'] loop
    if exists (select from drip_core.secret_keys as k where k.purpose = v_purpose and k.is_current) then
      continue;
    end if;
    v_key := sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));
    if v_purpose = 'link' then
      v_inner := v_key;
      v_outer := sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));
    else
      v_inner := drip_core._key_pad(v_key, 54);
      v_outer := drip_core._key_pad(v_key, 92);
    end if;
    insert into drip_core.secret_keys (id, purpose, inner_pad, outer_pad)
    select
      coalesce(max(k.id), 0) + 1,
      v_purpose,
      v_inner,
      v_outer
    from drip_core.secret_keys as k;
  end loop;
end;
$$;

revoke all on function drip_core._ensure_secret_keys() from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._ensure_secret_keys() is 'Makes the two secret keys of the installation where they are missing.';
