"""Privileges of the pgdrip roles and of PUBLIC: how they are read, compared and reset.

``create or replace`` keeps old grants. So a file's routines lose theirs before the file runs, and
when privileges changed behind the migrator's back, all are taken back and every repeatable file
restates what it grants. Grants to other roles are never touched.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package only

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pgdrip.migrate.bootstrap import OWNERS, ROLES, SCHEMAS

_ROLE_LIST = ", ".join(f"'{role}'" for role in ROLES)
_OWNER_LIST = ", ".join(f"'{role}'" for role in OWNERS)
_SCHEMA_LIST = ", ".join(f"'{schema}'" for schema in SCHEMAS)

# One line per object and grantee. What an owner may do with its own is left out (it differs
# between server versions), and so is a privilege of a partition that its root grants as well:
# partitions come and go.
PRIVILEGES_QUERY = f"""(
  select coalesce(array_agg(l.line order by l.line collate "C"), array[]::text[])
  from (
    select o.kind || ' ' || o.name || ' to ' || coalesce(r.rolname::text, 'public') || ': '
      || string_agg(
        lower(a.privilege_type) || case when a.is_grantable then ' with grant option' else '' end,
        ', ' order by a.privilege_type collate "C"
      ) as line
    from (
      select 'schema' as kind, n.oid::regnamespace::text as name, n.nspowner as owner,
        n.nspacl as acl, null::oid as root
      from pg_catalog.pg_namespace as n
      where n.nspname in ({_SCHEMA_LIST})
      union all
      select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text,
        c.relowner, c.relacl,
        case when c.relispartition then pg_catalog.pg_partition_root(c.oid) end
      from pg_catalog.pg_class as c
      where c.relnamespace::regnamespace::text in ({_SCHEMA_LIST})
        and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all
      select 'column', c.oid::regclass::text || '.' || pg_catalog.quote_ident(t.attname),
        c.relowner, t.attacl, null
      from pg_catalog.pg_class as c
      join pg_catalog.pg_attribute as t on t.attrelid = c.oid
      where c.relnamespace::regnamespace::text in ({_SCHEMA_LIST})
        and t.attacl is not null and t.attnum > 0 and not t.attisdropped
      union all
      select 'routine', p.oid::regprocedure::text, p.proowner,
        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), null
      from pg_catalog.pg_proc as p
      where p.pronamespace::regnamespace::text in ({_SCHEMA_LIST})
      union all
      select 'type', y.oid::regtype::text, y.typowner,
        coalesce(y.typacl, pg_catalog.acldefault('T', y.typowner)), null
      from pg_catalog.pg_type as y
      left join pg_catalog.pg_class as c on c.oid = y.typrelid
      where y.typnamespace::regnamespace::text in ({_SCHEMA_LIST})
        and y.typcategory <> 'A' and (c.oid is null or c.relkind = 'c')
    ) as o
    cross join pg_catalog.aclexplode(o.acl) as a
    left join pg_catalog.pg_roles as r on r.oid = a.grantee
    where a.grantee <> o.owner and (a.grantee = 0 or r.rolname in ({_ROLE_LIST}))
      and not exists (
        select
        from pg_catalog.pg_class as p
        cross join pg_catalog.aclexplode(p.relacl) as i
        where p.oid = o.root and i.grantee = a.grantee and i.privilege_type = a.privilege_type
          and i.is_grantable = a.is_grantable
      )
    group by o.kind, o.name, r.rolname
  ) as l
)"""


def take_over(routines: Mapping[str, str], views: Mapping[str, str]) -> str:
    """A DO block, run as the login, that gives routines and views to the owners named for them.

    A file that names another owner than it did could not replace what the former one owns.
    """
    found = [
        f"""select 'routine' as kind, p.oid::regprocedure::text as name, w.owner
    from (values {_listed(routines)}) as w (name, owner)
    join pg_catalog.pg_proc as p on p.pronamespace::regnamespace || '.' || p.proname = w.name
    where p.proowner <> to_regrole(w.owner) and p.proowner::regrole::text in ({_OWNER_LIST})"""
        if routines
        else "",
        f"""select 'table' as kind, c.oid::regclass::text as name, w.owner
    from (values {_listed(views)}) as w (name, owner)
    join pg_catalog.pg_class as c on c.relnamespace::regnamespace || '.' || c.relname = w.name
    where c.relkind in ('v', 'm') and c.relowner <> to_regrole(w.owner)
      and c.relowner::regrole::text in ({_OWNER_LIST})"""
        if views
        else "",
    ]
    if not any(found):
        return ""
    objects = "\n    union all\n    ".join(part for part in found if part)
    return f"""do $owners$
declare
  v_object record;
begin
  for v_object in
    {objects}
  loop
    execute format('alter %s %s owner to %s', v_object.kind, v_object.name, v_object.owner);
  end loop;
end
$owners$;
"""


def _listed(owners: Mapping[str, str]) -> str:
    return ", ".join(f"('{name}', '{owner}')" for name, owner in owners.items())


def reset_routines(names: Sequence[str]) -> str:
    """A DO block, run as their owner, that takes back the grants of these routines."""
    if not names:
        return ""
    listed = ", ".join(f"'{name}'" for name in names)
    return _reset(
        f"""select 'routine' as kind, p.oid::regprocedure::text as name, n.nspname as schema
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname || '.' || p.proname in ({listed}) and p.proowner = current_user::regrole"""
    )


def reset_views(names: Sequence[str]) -> str:
    """A DO block, run as their owner, that takes back the grants of these views."""
    if not names:
        return ""
    listed = ", ".join(f"'{name}'" for name in names)
    return _reset(
        f"""select 'table' as kind, c.oid::regclass::text as name, n.nspname as schema
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname in ({listed}) and c.relkind in ('v', 'm')
      and c.relowner = current_user::regrole"""
    )


def reset_all() -> str:
    """A DO block that takes back all grants on what ``current_user`` owns, types excepted."""
    return _reset(
        f"""select 'routine' as kind, p.oid::regprocedure::text as name, n.nspname as schema
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ({_SCHEMA_LIST}) and p.proowner = current_user::regrole
    union all
    select case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text,
      n.nspname
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ({_SCHEMA_LIST}) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and c.relowner = current_user::regrole
      and (
        exists (select from pg_catalog.aclexplode(c.relacl) as a where a.grantee <> c.relowner)
        or exists (
          select from pg_catalog.pg_attribute as t where t.attrelid = c.oid and t.attacl is not null
        )
      )"""
    )


def undo_type_drift(recorded: Sequence[str], present: Sequence[str]) -> list[str]:
    """Statements that take back type grants that nobody recorded and restore lost ones.

    Grants on types stand in run-once files, which never run again.
    """
    statements = []
    before, now = set(recorded), set(present)
    for lines, verb in ((now - before, "revoke"), (before - now, "grant")):
        for line in sorted(lines):
            kind, _, rest = line.partition(" ")
            if kind != "type":
                continue
            name, _, role = rest.rpartition(": ")[0].rpartition(" to ")
            preposition = "from" if verb == "revoke" else "to"
            suffix = " cascade" if verb == "revoke" else ""
            statements.append(f"{verb} all on type {name} {preposition} {role}{suffix};")
    return sorted(statements, key=lambda statement: statement.startswith("grant"))


def _reset(objects: str) -> str:
    """Revoke from every pgdrip role but the owner; share internal routines again, the default."""
    return f"""do $reset$
declare
  v_object record;
begin
  for v_object in
    {objects}
  loop
    execute format(
      'revoke all on %s %s from public, %s cascade', v_object.kind, v_object.name,
      (select string_agg(r.rolname, ', ') from pg_catalog.pg_roles as r
       where r.rolname in ({_ROLE_LIST}) and r.rolname <> current_user)
    );
    if v_object.kind = 'routine' and v_object.schema = 'drip_core' then
      execute format('grant execute on routine %s to drip_owner, drip_engine', v_object.name);
    end if;
  end loop;
end
$reset$;
"""
