"""The checks of ``pgdrip doctor``. What only the database can know, ``drip.doctor`` judges.

This module adds what needs both sides: connection, versions, pending migrations, clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from pgdrip import migrate
from pgdrip.migrate.errors import DATABASE_NEWER, MISSING_PRIVILEGE, MigrationError
from pgdrip.migrate.files import package_version
from pgdrip.migrate.ledger import version_key

DEFAULT_SNAPSHOT_AGE = "5 minutes"
SUPPORTED = range(15, 19)
#: Seconds for the checks that may read whole tables; ``--deep`` lifts the limit.
TIME_LIMIT = 10.0
#: Seconds between the clocks of server and client that are worth a warning, or a problem.
CLOCK_WARNING, CLOCK_PROBLEM = 2.0, 60.0

Clock = Callable[[], datetime]
Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``verdict``: ok, unknown, warning or problem."""

    check: str
    verdict: str
    detail: str
    remedy: str | None = None


def examine(
    url: str,
    *,
    deep: bool = False,
    snapshot_age: str = DEFAULT_SNAPSHOT_AGE,
    clock: Clock = lambda: datetime.now(UTC),
    time_limit: float = TIME_LIMIT,
) -> list[Finding]:
    """Every check, in the order of their meaning; stops where the following ones would be moot.

    Trouble with the database is a finding, not an error. ``clock`` is this machine's. Raises
    ``psycopg.DataError`` when ``snapshot_age`` is no interval.
    """
    findings: list[Finding] = []
    try:
        with _connect(url) as connection:
            for finding in _checks(
                connection, url, None if deep else time_limit, snapshot_age, clock
            ):
                findings.append(finding)
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        # its words would repeat the string, password included
        findings.append(
            Finding(
                "connection",
                "problem",
                "DATABASE_URL is not a valid connection string",
                "Write it as postgresql://user:password@host:5432/database.",
            )
        )
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        what = "cannot connect" if not findings else "the connection was lost"
        findings.append(
            Finding(
                "connection",
                "problem",
                f"{what}: {_reason(error)}",
                "Check DATABASE_URL, and that the server runs and lets this login in.",
            )
        )
    return findings


def _connect(url: str) -> Connection:
    given = conninfo_to_dict(url)
    return psycopg.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        application_name="pgdrip doctor",
        connect_timeout=given.get("connect_timeout") or 10,
        # behind a pooler the next statement may meet another backend
        prepare_threshold=None,
    )


def _checks(
    connection: Connection, url: str, time_limit: float | None, snapshot_age: str, clock: Clock
) -> Iterator[Finding]:
    info = connection.info
    yield connection_finding(
        user=info.user,
        host=info.host,
        address=info.hostaddr,
        port=info.port,
        database=info.dbname,
        encrypted=bool(connection.pgconn.ssl_in_use),
    )
    version = server_finding(info.server_version)
    yield version
    if version.verdict == "problem":
        return
    yield clock_finding(connection, clock)
    installed = installed_finding(connection)
    if installed is not None:
        yield installed
        return
    yield migrations_finding(connection, url)
    yield from database_findings(connection, time_limit, snapshot_age)


def connection_finding(
    *, user: str, host: str, address: str, port: int, database: str, encrypted: bool
) -> Finding:
    """Where we are connected to, as whom, and whether others can listen."""
    on_socket = not host or host.startswith(("/", "@"))
    how = "Unix socket" if on_socket else "TLS" if encrypted else "no TLS"
    detail = f"{user} at {host}:{port}, database {database}, {how}"
    if on_socket or encrypted or _is_loopback(address):
        return Finding("connection", "ok", detail)
    return Finding(
        "connection",
        "warning",
        detail,
        "Turn on ssl at the server and add sslmode=verify-full to DATABASE_URL.",
    )


def _is_loopback(address: str) -> bool:
    with suppress(ValueError):
        return ip_address(address).is_loopback
    return False


def server_finding(number: int) -> Finding:
    """Whether this PostgreSQL is one that pgdrip is tested with; ``number`` as in libpq."""
    major = number // 10000
    detail = f"PostgreSQL {major}.{number % 10000}"
    if major in SUPPORTED:
        return Finding("server_version", "ok", detail)
    supported = f"{SUPPORTED[0]} to {SUPPORTED[-1]}"
    if major > SUPPORTED[-1]:
        return Finding(
            "server_version",
            "warning",
            f"{detail} is newer than this pgdrip, which is tested with {supported}",
            "Look for a newer pgdrip.",
        )
    return Finding(
        "server_version",
        "problem",
        f"{detail} is too old",
        f"Upgrade the server: pgdrip needs PostgreSQL {supported}.",
    )


def clock_finding(connection: Connection, clock: Clock) -> Finding:
    """How far the clocks of server and client are apart, as far as the round trip lets us see."""
    best: tuple[float, float] | None = None
    for _ in range(3):
        started, asked_at = time.monotonic(), clock()
        row = connection.execute("select pg_catalog.clock_timestamp() as at").fetchone()
        elapsed = time.monotonic() - started
        assert row is not None  # noqa: S101 - a select without from
        offset = (row["at"] - asked_at - timedelta(seconds=elapsed / 2)).total_seconds()
        if best is None or elapsed < best[0]:
            best = elapsed, offset
    elapsed, offset = best or (0.0, 0.0)
    apart = max(0.0, abs(offset) - elapsed / 2)
    if apart <= CLOCK_WARNING:
        return Finding("clock", "ok", f"server and this machine agree within {apart:.1f} s")
    return Finding(
        "clock",
        "problem" if apart > CLOCK_PROBLEM else "warning",
        f"the server is {apart:.1f} s {'ahead of' if offset > 0 else 'behind'} this machine",
        "Synchronise both (chrony, systemd-timesyncd). Campaigns follow the server's clock.",
    )


def installed_finding(connection: Connection) -> Finding | None:
    """None where pgdrip is installed and the login has a part in it; else why we stop here."""
    login = connection.info.user
    try:
        connection.execute("select drip.version()")
    except (errors.UndefinedFunction, errors.InvalidSchemaName):
        return Finding(
            "migrations",
            "problem",
            f"pgdrip is not installed in the database {connection.info.dbname}",
            "Run: pgdrip migrate apply",
        )
    except errors.InsufficientPrivilege:
        return Finding(
            "login",
            "problem",
            f"{login} has no part in pgdrip",
            f"grant drip_runner to {_quoted(login)}",
        )
    return None


def migrations_finding(connection: Connection, url: str) -> Finding:
    """Whether package and database fit; a login that may not read the ledger sees versions only."""
    own = package_version()
    try:
        planned = migrate.plan(url)
    except MigrationError as error:
        if error.code == MISSING_PRIVILEGE:
            return _versions_finding(connection, own)
        return Finding("migrations", "problem", error.message, error.hint)
    pending = [
        *(step.name for step in planned.bootstrap),
        *(file.path for file in planned.run_once),
        *(entry.file.path for entry in planned.repeatable if entry.reason != "restated"),
    ]
    if pending or planned.from_version != planned.to_version:
        shown = ", ".join(pending[:3]) + (", …" if len(pending) > 3 else "")
        return Finding(
            "migrations",
            "problem",
            f"pgdrip {planned.from_version} is installed, this is {own};"
            f" {len(pending)} pending: {shown}",
            "Run: pgdrip migrate apply",
        )
    findings = migrate.verify(url)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        return Finding(
            "migrations",
            "warning",
            f"the database is not what the package installs: {findings[0]}{more}",
            "See: pgdrip migrate verify. Privileges are restated by: pgdrip migrate apply",
        )
    return Finding("migrations", "ok", f"pgdrip {own}, nothing is pending")


def _versions_finding(connection: Connection, own: str) -> Finding:
    row = connection.execute("select drip.version() as version").fetchone() or {}
    theirs = row.get("version")
    if theirs == own:
        return Finding(
            "migrations",
            "ok",
            f"pgdrip {own}; whether files are pending is for a member of drip_owner to see",
        )
    if theirs is not None and version_key(theirs) > version_key(own):
        return Finding(
            "migrations",
            "problem",
            f"the database has pgdrip {theirs}, this is {own} ({DATABASE_NEWER})",
            "Install the newer pgdrip here.",
        )
    return Finding(
        "migrations",
        "problem",
        f"the database has pgdrip {theirs}, this is {own}",
        "Run as the owner: pgdrip migrate apply",
    )


def database_findings(
    connection: Connection, time_limit: float | None, snapshot_age: str
) -> list[Finding]:
    """What ``drip.doctor`` says: with invariants, and without where they took too long."""
    login = connection.info.user
    try:
        try:
            return _ask(connection, True, time_limit, snapshot_age)
        except (errors.QueryCanceled, errors.LockNotAvailable):
            findings = _ask(connection, False, time_limit, snapshot_age)
    except (errors.QueryCanceled, errors.LockNotAvailable) as error:
        return [
            Finding(
                "doctor",
                "unknown",
                f"drip.doctor was given up: {_reason(error)}",
                "Try again when the database is less busy, or: pgdrip doctor --deep",
            )
        ]
    except errors.UndefinedFunction:
        return [
            Finding(
                "doctor",
                "unknown",
                "this database has no drip.doctor yet",
                "Run: pgdrip migrate apply",
            )
        ]
    except errors.InsufficientPrivilege:
        return [
            Finding(
                "doctor",
                "unknown",
                f"{login} may not run drip.doctor",
                f"grant drip_runner to {_quoted(login)}",
            )
        ]
    return [
        Finding(
            finding.check,
            "unknown",
            f"not finished within {time_limit:g} s",
            "Run: pgdrip doctor --deep",
        )
        if finding.check == "invariants"
        else finding
        for finding in findings
    ]


def _ask(
    connection: Connection, deep: bool, time_limit: float | None, snapshot_age: str
) -> list[Finding]:
    milliseconds = 0 if time_limit is None else max(1, round(time_limit * 1000))
    with connection.transaction():
        connection.execute(
            "select set_config('statement_timeout', %s, true),"
            " set_config('lock_timeout', '5s', true)",
            (str(milliseconds),),
        )
        rows = connection.execute(
            "select d.check_name, d.verdict, d.detail, d.remedy"
            " from drip.doctor(deep => %s, snapshot_age_limit => %s::interval) as d",
            (deep, snapshot_age),
        ).fetchall()
    return [
        Finding(row["check_name"], row["verdict"], row["detail"], row["remedy"]) for row in rows
    ]


def _reason(error: psycopg.Error) -> str:
    """What happened, in one line: the server's own words where it said some."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    fatal = [line for line in lines if "FATAL:" in line]
    return error.diag.message_primary or (fatal or lines)[0].strip()


def _quoted(login: str) -> str:
    return '"' + login.replace('"', '""') + '"'
