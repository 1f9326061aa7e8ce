-- A channel by its name. Locks: none. Errors: PT422 for one that there is not. Harmless to repeat.
create or replace function drip_core._read_channel(name text)
returns drip.channel
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if _read_channel.name is null or _read_channel.name <> all (enum_range(null::drip.channel)::text[]) then
    raise exception 'unknown channel'
      using errcode = 'PT422', detail = format('channel: %s', coalesce(left(_read_channel.name, 40), 'null')),
        hint = format('Use one of %s.', array_to_string(enum_range(null::drip.channel)::text[], ', '));
  end if;
  return _read_channel.name::drip.channel;
end;
$$;

revoke all on function drip_core._read_channel(text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._read_channel(text) is 'A channel by its name. Errors: PT422.';
