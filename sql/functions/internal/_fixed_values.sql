-- Of merge fields the values that are the same for all messages of an organization; null for those of contact, deal and sender,
-- and where there is none. Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._fixed_values(field_paths text[], organization drip_core.organizations)
returns text[]
language sql
immutable
parallel safe
begin atomic
  select
    coalesce(array_agg(nullif(btrim(translate(case f.path
      when 'organization.name' then (_fixed_values.organization).name
      when 'organization.postal_address' then (_fixed_values.organization).postal_address
      -- name and postal address on one line: the footer of every email
      when 'organization.imprint' then concat_ws(', ', (_fixed_values.organization).name, nullif(btrim(regexp_replace(
          (_fixed_values.organization).postal_address, '[[:space:],]*[\r\n]+[[:space:]]*', ', ', 'g'
        ), ', '), ''))
    end, e'\x1f', '')), '') order by f.ordinal), '{}')
  from unnest(_fixed_values.field_paths) with ordinality as f (path, ordinal);
end;

revoke all on function drip_core._fixed_values(text[], drip_core.organizations) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._fixed_values(text[], drip_core.organizations) is
'The values of merge fields that are the same for all messages of an organization, in the order of field_paths; null for the others.';
