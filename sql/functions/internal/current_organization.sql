-- owner: drip_engine
-- requires: functions/internal/_claimed_profile.sql
-- The organization the caller may act for; null where there is none. A bound login (login_organizations) can
-- name no other organization than its own; a JWT speaks for the organizations its profile is a member of, through a bound
-- login for those of them that it is bound to, and where it names none for the one it has been a member of for longest (that
-- another organization makes it a member changes nothing); any other login is a trusted service and is taken at its word: the setting
-- drip.organization_id.
-- Locks: none. Errors: PT422 for a setting that is no number or claims that are no JSON. Harmless to repeat.
create or replace function drip_core.current_organization()
returns bigint
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
set standard_conforming_strings = on
as $$
declare
  v_setting text := nullif(current_setting('drip.organization_id', true), '');
  v_claims text := nullif(current_setting('request.jwt.claims', true), '');
  v_wanted bigint;
  v_allowed bigint[];
begin
  if v_setting is not null then
    if v_setting !~ '^[0-9]{1,18}$' then
      raise exception 'the setting drip.organization_id is not an organization id'
        using errcode = 'PT422', detail = format('It is %L.', left(v_setting, 40)),
          hint = 'Set it to the number that drip.create_organization returned.';
    end if;
    v_wanted := v_setting::bigint;
  end if;

  -- a profile of several organizations says which one by a claim; it is checked against its memberships like the setting
  if v_claims is not null then
    perform drip_core._claimed_profile();
  end if;
  if v_wanted is null and v_claims is not null and v_claims::jsonb ->> 'organization_id' ~ '^[0-9]{1,18}$' then
    v_wanted := (v_claims::jsonb ->> 'organization_id')::bigint;
  end if;

  select array_agg(lo.organization_id)
  into v_allowed
  from drip_core.login_organizations as lo
  where lo.login = session_user;

  if v_claims is null then
    if v_allowed is null then
      return v_wanted;
    end if;
  else
    select coalesce(array_agg(m.organization_id order by m.created_at, m.organization_id), '{}')
    into v_allowed
    from drip_core.members as m
    where m.profile_id = drip_core._claimed_profile() and (v_allowed is null or m.organization_id = any (v_allowed));
  end if;

  return case
    when v_wanted = any (v_allowed) then v_wanted
    when v_wanted is null and (v_claims is not null or cardinality(v_allowed) = 1) then v_allowed[1]
  end;
end;
$$;

revoke all on function drip_core.current_organization() from public, drip_app, drip_runner, drip_public, drip_analyst;
grant execute on function drip_core.current_organization() to drip_owner, drip_analyst;
comment on function drip_core.current_organization() is
'The organization the caller may act for, from its bound login, its JWT or the setting drip.organization_id; null where there is none.';
