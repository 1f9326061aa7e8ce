-- owner: drip_engine
-- requires: functions/internal/_allowed_organizations.sql
-- Reads an array of claims; those of organizations a bound login has no part in are refused.
-- Locks: none. Errors: PT404, PT422. Harmless to repeat.
create or replace function drip_core._parse_claims(claims jsonb)
returns table (organization_id bigint, enrollment_id bigint, claim_token bigint)
language plpgsql
stable
rows 100
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_allowed constant bigint[] := drip_core._allowed_organizations(null);
begin
  if _parse_claims.claims is null or jsonb_typeof(_parse_claims.claims) <> 'array' or exists (
    select from jsonb_array_elements(_parse_claims.claims) as c (item)
    where jsonb_typeof(c.item) <> 'object'
      or coalesce(c.item ->> 'organization_id', '') !~ '^[0-9]{1,18}$'
      or coalesce(c.item ->> 'enrollment_id', '') !~ '^[0-9]{1,18}$'
      or coalesce(c.item ->> 'claim_token', '') !~ '^[0-9]{1,18}$'
  ) then
    raise exception 'invalid claims'
      using errcode = 'PT422', detail = coalesce((
          select format('claims[%s]%s', c.ordinal - 1, case
            when jsonb_typeof(c.item) <> 'object' then ': an object is needed'
            else (
              select format('.%s: a number is needed', k.key)
              from unnest(array['organization_id', 'enrollment_id', 'claim_token']) with ordinality as k (key, ordinal)
              where coalesce(c.item ->> k.key, '') !~ '^[0-9]{1,18}$'
              order by k.ordinal
              limit 1
            )
          end)
          from jsonb_array_elements(
            case when jsonb_typeof(_parse_claims.claims) = 'array' then _parse_claims.claims else '[]' end
          ) with ordinality as c (item, ordinal)
          where jsonb_typeof(c.item) <> 'object'
            or coalesce(c.item ->> 'organization_id', '') !~ '^[0-9]{1,18}$'
            or coalesce(c.item ->> 'enrollment_id', '') !~ '^[0-9]{1,18}$'
            or coalesce(c.item ->> 'claim_token', '') !~ '^[0-9]{1,18}$'
          order by c.ordinal
          limit 1
        ), 'claims: a JSON array is needed'),
        hint = 'Pass an array of {organization_id, enrollment_id, claim_token}.';
  end if;
  return query
  select (c.item ->> 'organization_id')::bigint, (c.item ->> 'enrollment_id')::bigint, (c.item ->> 'claim_token')::bigint
  from jsonb_array_elements(_parse_claims.claims) as c (item)
  where v_allowed is null or (c.item ->> 'organization_id')::bigint = any (v_allowed);
end;
$$;

revoke all on function drip_core._parse_claims(jsonb) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._parse_claims(jsonb) is 'The claims array of drip.hand_over and drip.release as rows.';
