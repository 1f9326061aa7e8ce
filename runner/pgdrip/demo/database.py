"""Where the demo happens: a database of its own, made anew by each run."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from pgdrip import embedded
from pgdrip.errors import PgdripError

OWN_SERVER_DATABASE = "pgdrip_demo"
_MARK = "Made by pgdrip demo; the next demo drops it."


def fresh(database_url: str | None, folder: Path | None) -> str:
    """URL of an empty database: on the embedded server, or on the server of ``database_url``.

    Only a database that a demo made is ever dropped. Raises ``PgdripError`` DEM02 when there is
    one of that name that holds anything else, CLI01 when the server cannot be reached.
    """
    if database_url is None:
        own = embedded.ensure(folder, keep_running=True)
        name = embedded.DATABASE
        server = conninfo.make_conninfo(own, dbname="postgres")
    else:
        name = OWN_SERVER_DATABASE
        server = database_url
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            _make(connection, name)
    except psycopg.OperationalError as error:
        raise PgdripError(
            "CLI01", f"cannot reach the database server: {error}", "Check --database-url."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgdripError(
            "DEM02", f"cannot make a database: {error}", "The demo needs a superuser."
        ) from error
    if database_url is None:
        return own
    return with_database(database_url, name)


def _make(connection: psycopg.Connection, name: str) -> None:
    row = connection.execute(
        "select pg_catalog.shobj_description(d.oid, 'pg_database') as mark"
        " from pg_catalog.pg_database as d where d.datname = %s",
        (name,),
    ).fetchone()
    if row is not None:
        if row[0] != _MARK and not _is_empty(connection, name):
            raise PgdripError(
                "DEM02",
                f"the database {name} exists and was not made by a demo",
                "Choose another folder (--folder) or server (--database-url).",
            )
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    connection.execute(
        sql.SQL("comment on database {} is {}").format(sql.Identifier(name), sql.Literal(_MARK))
    )


def _is_empty(connection: psycopg.Connection, name: str) -> bool:
    dsn = conninfo.make_conninfo(connection.info.dsn, dbname=name)
    with psycopg.connect(dsn, password=connection.info.password or None) as other:
        found = other.execute(
            "select from pg_catalog.pg_class as c"
            " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'"
            " limit 1"
        ).fetchone()
    return found is None


def with_database(url: str, name: str) -> str:
    """The same connection string with another database; a URL stays a URL."""
    if "://" not in url:
        return conninfo.make_conninfo(url, dbname=name)
    scheme, _, rest = url.partition("://")
    place, question, query = rest.partition("?")
    host, _, _ = place.partition("/")
    return f"{scheme}://{host}/{name}{question}{query}"
