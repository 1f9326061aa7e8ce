"""Remove everything that a migration created."""

# ruff: noqa: S608 - the SQL is put together from constants of this package only

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import psycopg
from psycopg import errors

from pgdrip.migrate.bootstrap import OWNERS, ROLES, SCHEMAS
from pgdrip.migrate.connection import (
    Connection,
    Options,
    become,
    connect,
    migration_lock,
    repeat_when_locked_out,
)
from pgdrip.migrate.errors import (
    IN_USE_OUTSIDE,
    MISSING_PRIVILEGE,
    MigrationError,
    server_message,
)

_OURS = ", ".join(f"'{schema}'" for schema in SCHEMAS)

# Objects outside the schemas that a cascade would take along: views, columns, triggers, defaults.
_OUTSIDE = f"""
with ours as (
  select c.tableoid as classid, c.oid as objid
  from pg_class as c
  where c.relnamespace::regnamespace::text in ({_OURS})
  union all
  select p.tableoid, p.oid
  from pg_proc as p
  where p.pronamespace::regnamespace::text in ({_OURS})
  union all
  select t.tableoid, t.oid
  from pg_type as t
  where t.typnamespace::regnamespace::text in ({_OURS})
),
dependents as (
  select d.classid, d.objid, d.objsubid,
    case d.classid
      when 'pg_class'::regclass then d.objid
      when 'pg_rewrite'::regclass then (
        select r.ev_class from pg_rewrite as r where r.oid = d.objid
      )
      when 'pg_trigger'::regclass then (select g.tgrelid from pg_trigger as g where g.oid = d.objid)
      when 'pg_attrdef'::regclass then (select f.adrelid from pg_attrdef as f where f.oid = d.objid)
      when 'pg_policy'::regclass then (select y.polrelid from pg_policy as y where y.oid = d.objid)
      when 'pg_constraint'::regclass then (
        select k.conrelid from pg_constraint as k where k.oid = d.objid
      )
    end as relation
  from pg_depend as d
  join ours as o on o.classid = d.refclassid and o.objid = d.refobjid
  where d.deptype in ('n', 'a')
)
select distinct pg_describe_object(d.classid, d.objid, d.objsubid)
from dependents as d
left join pg_class as c on c.oid = d.relation
where coalesce(
    c.relnamespace::regnamespace::text, (pg_identify_object(d.classid, d.objid, 0)).schema, ''
  ) not in ({_OURS}, 'pg_toast')
  and not exists (select from ours as o where o.classid = d.classid and o.objid = d.objid)
order by 1
"""


@dataclass
class UninstallResult:
    """What was removed; ``roles_left`` maps each role that stays to the reason."""

    schemas: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    roles_left: dict[str, str] = field(default_factory=dict)


def uninstall(
    dsn: str,
    *,
    on_step: Callable[[str], None] | None = None,
    options: Options | None = None,
) -> UninstallResult:
    """Drop the schemas with all data, and the roles unless something else uses them.

    Roles belong to the cluster: they stay, all of them, while another of its databases has pgdrip
    installed. Raises MIG13, having dropped nothing, when objects outside the schemas depend on
    them. Harmless where nothing is installed.
    """
    options = options or Options()
    notify = on_step or (lambda _: None)
    result = UninstallResult()
    with connect(dsn, options) as connection, migration_lock(connection, options, notify):
        _refuse_if_used_outside(connection)
        result.schemas = repeat_when_locked_out(
            "uninstall", lambda: _drop_schemas(connection), options, notify
        )
        for schema in result.schemas:
            notify(f"dropped schema {schema}")
        _drop_roles(connection, result, options, notify)
    return result


def _refuse_if_used_outside(connection: Connection) -> None:
    outside = [name for (name,) in connection.execute(_OUTSIDE.encode()).fetchall()]
    if outside:
        raise MigrationError(
            IN_USE_OUTSIDE,
            "objects outside the pgdrip schemas depend on them: " + "; ".join(outside[:20]),
            "Drop or change these first; uninstall would drop them too.",
        )


def _drop_schemas(connection: Connection) -> list[str]:
    with connection.transaction():
        rows = connection.execute(
            "select n.nspname from pg_namespace as n join pg_roles as r on r.oid = n.nspowner"
            f" where n.nspname in ({_OURS}) and r.rolname = 'drip_owner' order by 1".encode()
        ).fetchall()
        found = [name for (name,) in rows]
        if found:
            become(connection, "drip_owner")
            connection.execute(f"drop schema {', '.join(found)} cascade".encode())
        for (role,) in connection.execute(
            b"select r.rolname from pg_default_acl as d join pg_roles as r on r.oid = d.defaclrole"
            b" where d.defaclnamespace = 0 and d.defaclobjtype = 'f' and r.rolname = any(%s)",
            [list(OWNERS)],
        ).fetchall():
            become(connection, role)
            # equal to the built-in default, which removes the entry
            connection.execute(
                f"alter default privileges for role {role}"
                " grant execute on functions to public".encode()
            )
    return found


def _drop_roles(
    connection: Connection,
    result: UninstallResult,
    options: Options,
    notify: Callable[[str], None],
) -> None:
    present = [
        name
        for (name,) in connection.execute(
            b"select rolname from pg_roles where rolname = any(%s)", [list(ROLES)]
        ).fetchall()
    ]
    for role in (role for role in ROLES if role in present):
        if "drip_owner" in result.roles_left:
            result.roles_left[role] = "pgdrip is still used elsewhere in the cluster"
            continue
        reason = repeat_when_locked_out(
            role,
            partial(_drop_role, connection, role),
            options,
            notify,
        )
        if reason is None:
            result.roles.append(role)
            notify(f"dropped role {role}")
        else:
            result.roles_left[role] = reason
            notify(f"left role {role}: {reason}")


def _drop_role(connection: Connection, role: str) -> str | None:
    """Drop one role; the reason when something still uses it."""
    for _ in range(20):
        try:
            connection.execute(f"drop role if exists {role}".encode())
        except errors.DependentObjectsStillExist as exc:
            return (exc.diag.message_detail or server_message(exc)).replace("\n", "; ")
        except errors.InsufficientPrivilege as exc:
            raise MigrationError(
                MISSING_PRIVILEGE,
                "the schemas are dropped, but this login may not drop the role"
                f" {role}: {server_message(exc)}",
                "Run uninstall again as a superuser or as who created the roles.",
            ) from exc
        except errors.InternalError_:
            continue  # "tuple concurrently updated": another database of the cluster does the same
        except psycopg.Error as exc:
            return server_message(exc)
        else:
            return None
    return "other sessions keep changing it"
