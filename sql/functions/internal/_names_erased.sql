-- requires: functions/internal/_hash_address.sql, functions/internal/_is_erased_address.sql
-- Whether a text names a person who was erased: an address or a number in it, anywhere, whose hash is kept as that of one. Of a
-- long text the first 20,000 characters, and 50 of each.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._names_erased(organization_id bigint, message text)
returns boolean
language sql
stable
begin atomic
  select exists(
    select
    from (
      select
        'email'::drip.channel as channel,
        rtrim(m.parts[1], '.') as address,
        m.ordinal
      from regexp_matches(
          left(_names_erased.message, 20000), '([^[:space:]"''<>(),;:=/\\[\]{}|]+@[[:alnum:].-]+)', 'g'
        ) with ordinality as m (parts, ordinal)
      union all
      select
        'whatsapp_cloud' as channel,
        '+' || m.parts[1] as address,
        m.ordinal
      from regexp_matches(left(_names_erased.message, 20000), '0*([1-9][0-9]{6,14})(?![0-9])', 'g') with ordinality as m (parts, ordinal)
    ) as a
    where a.ordinal <= 50
      and drip_core._is_erased_address(_names_erased.organization_id, drip_core._hash_address(a.channel, a.address))
  );
end;

revoke all on function drip_core._names_erased(bigint, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._names_erased(bigint, text) is 'Whether a text contains an address or a number of a person who was erased.';
