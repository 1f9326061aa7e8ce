-- Where a config seems to contain a secret instead of the name of one: keys such as password or api_key (public keys aside),
-- addresses with a password in them, a secret_ref that is no name. One sentence without the value; null for none.
-- Locks: none. Errors: none. Harmless to repeat.
create or replace function drip_core._secret_problem(config jsonb, secret_ref text)
returns text
language sql
immutable
parallel safe
begin atomic
  with recursive leaves as (
    select
      'account.config' as path,
      '' as key,
      _secret_problem.config as value
    union all
    select
      l.path || case when c.key is null then format('[%s]', c.ordinal - 1) else '.' || left(c.key, 60) end as path,
      coalesce(c.key, l.key) as key,
      c.value
    from leaves as l
    cross join
      lateral (
        select
          e.key,
          null::bigint as ordinal,
          e.value
        from jsonb_each(case when jsonb_typeof(l.value) = 'object' then l.value else '{}' end) as e
        union all
        select
          null as key,
          a.ordinality as ordinal,
          a.value
        from jsonb_array_elements(case when jsonb_typeof(l.value) = 'array' then l.value else '[]' end) with ordinality as a
      ) as c
  )

  select p.problem
  from (
    select
      l.path,
      case
        when l.key ~* '(_|secret)ref$'
          then
            case
              when l.value #>> '{}' !~ '^(env:)?[A-Za-z_][A-Za-z0-9_]{0,127}$|^file:.+$'
                then l.path || ': the name of a secret is needed: NAME, env:NAME (an environment variable of the runner) or file:/path'
            end
        when jsonb_typeof(l.value) in ('string', 'number')
          and l.key ~* '(passw|passphrase|pwd|secret|token|credential|api_?key|access_?key|private_?key|^auth|bearer)' and l.key !~* 'public'
          then l.path || ': a secret does not belong into the database; put it into the environment of the runner and its name into secret_ref'
        when jsonb_typeof(l.value) = 'string' and l.value #>> '{}' ~ '^[a-z0-9+.-]+://[^/?#[:space:]]*:[^/?#[:space:]]*@'
          then l.path || ': an address without user and password is needed; the secret belongs into the environment of the runner, its name into secret_ref'
        when jsonb_typeof(l.value) = 'string' and l.value #>> '{}' ~ '-----BEGIN [A-Z ]*PRIVATE KEY'
          then l.path || ': a private key does not belong into the database; put it into a secret file of the runner and its name into secret_ref'
      end as problem
    from leaves as l
    where l.value <> 'null'
    union all
    select
      '' as path,
      'account.secret_ref: the name of a secret is needed: NAME, env:NAME (an environment variable of the runner) or file:/path' as problem
    where _secret_problem.secret_ref !~ '^(env:)?[A-Za-z_][A-Za-z0-9_]{0,127}$|^file:.+$'
  ) as p
  where p.problem is not null
  order by p.path
  limit 1;
end;

revoke all on function drip_core._secret_problem(jsonb, text) from public, drip_app, drip_runner, drip_public, drip_analyst;
comment on function drip_core._secret_problem(jsonb, text) is 'Where a config seems to contain a secret instead of the name of one; null for none.';
