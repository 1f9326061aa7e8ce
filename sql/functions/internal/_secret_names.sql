-- The names of all secrets that an account would use: its secret_ref, and every key of its config that ends in secret_ref or _ref; without "env:".
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._secret_names(config jsonb, secret_ref text)
returns setof text
language sql
immutable
parallel safe
begin atomic
  select distinct regexp_replace(n.name, '^env:', '') as name
  from (
    select k.value #>> '{}' as name
    from jsonb_path_query(coalesce(_secret_names.config, '{}'), 'strict $.** ? (@.type() == "object")') as o (value)
    cross join lateral jsonb_each(o.value) as k
    where k.key ~* '(_|secret)ref$'
    union all
    select _secret_names.secret_ref
  ) as n
  where n.name is not null;
end;

revoke all on function drip_core._secret_names(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._secret_names(jsonb, text) is 'The names of all secrets in the settings of a channel account.';
