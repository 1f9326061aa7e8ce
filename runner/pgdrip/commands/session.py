"""What the operator commands share: a connection that speaks for one organization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console

from pgdrip.errors import PgdripError
from pgdrip.settings import load_settings

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

out = Console()
err = Console(stderr=True)

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        "-o",
        envvar="PGDRIP_ORGANIZATION",
        help="Id or name of the organization; not needed where the database has only one.",
    ),
]
DatabaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="DATABASE_URL",
        show_envvar=True,
        help="Without one, an embedded PostgreSQL in ./.pgdrip (extra demo).",
    ),
]


def database_url(given: str | None) -> str:
    """The URL to use: the given one, else that of the embedded server, started when needed."""
    return load_settings(database_url=given).connection_url()


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """An autocommit connection with rows as dicts; database errors become ``PgdripError``.

    CLI01: the server cannot be reached. Errors of pgdrip's own functions keep their SQLSTATE as
    code (PT404, PT409, PT422, PT403); CLI02: pgdrip is not installed in this database (or the login
    may not use it); CLI03: any other error of the database.
    """
    try:
        with psycopg.connect(
            url, autocommit=True, row_factory=dict_row, application_name="pgdrip"
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise translate(error) from error


def translate(error: psycopg.Error) -> PgdripError:
    """The ``PgdripError`` that says what a database error means to the person at the keyboard."""
    state = error.sqlstate
    message = error.diag.message_primary or str(error).strip()
    detail = error.diag.message_detail
    if detail:
        message = f"{message} ({detail})"
    if state is not None and state.startswith("PT"):
        return PgdripError(state, message, error.diag.message_hint)
    if state is None and isinstance(error, psycopg.OperationalError):
        return PgdripError(
            "CLI01", f"cannot reach the database: {message}", "Check DATABASE_URL and the server."
        )
    # With a context it comes from within a function, and pgdrip is there.
    if state in {"3F000", "42P01", "42883"} and not error.diag.context:
        return PgdripError(
            "CLI02",
            f"this database does not have pgdrip, or an older release of it: {message}",
            "Run: pgdrip migrate apply",
        )
    if state == "42501":
        return PgdripError(
            "CLI02",
            f"this login may not do that: {message}",
            "Use a login that is a member of drip_app (reports: drip_analyst; set-up: the owner).",
        )
    return PgdripError("CLI03", f"{message} (SQLSTATE {state})", error.diag.message_hint)


def use_organization(connection: Connection, given: str | None) -> int:
    """Make the connection speak for the organization with this id or name; returns its id.

    Names, and leaving it out, need a login that may list organizations (the owner's rights).
    CLI04: none, or more than one, fits.
    """
    if given is not None and given.isascii() and given.isdigit():
        organization_id = int(given)
    else:
        found = find_organizations(connection, given)
        if len(found) != 1:
            raise _not_one(found, given)
        organization_id = int(found[0]["id"])
    set_organization(connection, organization_id)
    return organization_id


def set_organization(connection: Connection, organization_id: int) -> None:
    """Name the organization for everything that follows on this connection."""
    connection.execute(
        "select set_config('drip.organization_id', %s, false)", (str(organization_id),)
    )


def find_organizations(connection: Connection, name: str | None) -> list[Row]:
    """Organizations with this name (all, when null) that the login can see: id and name, by id."""
    try:
        return connection.execute(
            "select o.id, o.name from drip_core.organizations as o"
            " where %(name)s::text is null or o.name = %(name)s order by o.id",
            {"name": name},
        ).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgdripError(
            "CLI04",
            "this login cannot look up organizations by name",
            "Give the numeric id: --organization 1, or set PGDRIP_ORGANIZATION=1.",
        ) from error


def _not_one(found: list[Row], given: str | None) -> PgdripError:
    if not found:
        what = f"there is no organization named {given!r}" if given else "no organization yet"
        return PgdripError(
            "CLI04",
            what,
            "Create one: pgdrip apply --create-organization organization.yaml",
        )
    listed = ", ".join(f"{row['id']} ({row['name']})" for row in found[:10])
    return PgdripError(
        "CLI04",
        f"{len(found)} organizations fit: {listed}{', …' if len(found) > 10 else ''}",
        "Name one by id: --organization ID, or set PGDRIP_ORGANIZATION.",
    )
