"""One connection that migrates: its settings, its advisory lock, and repeats after lock trouble."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql

from pgdrip.migrate.errors import (
    ANOTHER_INSTALLER,
    FILE_FAILED,
    LOCKED_OUT,
    MISSING_PRIVILEGE,
    NO_CONNECTION,
    SERVER_TOO_OLD,
    MigrationError,
    server_message,
)

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

# Session-level advisory lock of a migration: the bytes of "pgdrip" and a zero. Advisory locks
# belong to a database, so databases of one cluster migrate independently.
LOCK_KEY = int.from_bytes(b"pgdrip\0", "big")
OLDEST_SERVER = 150000


@dataclass(frozen=True)
class Options:
    """Limits of a migration; times in seconds.

    ``lock_timeout``: how long one statement waits for a lock before its file is rolled back and
    repeated; ``lock_attempts``: how often a file is tried; ``wait_for_installer``: how long to wait
    while another migration of the same database runs.
    """

    lock_timeout: float = 5.0
    lock_attempts: int = 8
    wait_for_installer: float = 600.0


@contextmanager
def connect(dsn: str, options: Options) -> Iterator[Connection]:
    """An autocommit connection whose settings do not depend on those of the login or database.

    Raises MigrationError: MIG01 no connection or lost, MIG02 server older than 15, MIG07 for what
    the server refuses and nobody inside handles.
    """
    try:
        connection = psycopg.connect(
            dsn, autocommit=True, application_name="pgdrip migrate", client_encoding="utf8"
        )
    except psycopg.Error as exc:
        raise MigrationError(
            NO_CONNECTION,
            f"cannot connect to the database: {str(exc).strip()}",
            "Check --database-url or DATABASE_URL.",
        ) from exc
    with connection:
        try:
            _prepare(connection, options)
            yield connection
        except psycopg.Error as exc:
            if connection.broken:
                raise MigrationError(
                    NO_CONNECTION,
                    f"the connection was lost: {server_message(exc)}",
                    "Apply again: it continues after the last file that was committed.",
                ) from exc
            raise MigrationError(FILE_FAILED, server_message(exc), exc.diag.message_hint) from exc


def _prepare(connection: Connection, options: Options) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise MigrationError(
            SERVER_TOO_OLD,
            f"the server is PostgreSQL {connection.info.server_version // 10000}",
            "pgdrip needs PostgreSQL 15 or later.",
        )
    for name, value in session_settings(options.lock_timeout).items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    # these exist in some versions only
    connection.execute(
        "select set_config(s.name, '0', false) from pg_settings as s where s.name = any(%s)",
        [["transaction_timeout", "idle_session_timeout"]],
    )


def session_settings(lock_timeout: float) -> dict[str, str]:
    """Settings under which every file runs. Empty search path: files qualify every name."""
    return {
        "search_path": "",
        "lock_timeout": f"{round(lock_timeout * 1000)}ms",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "default_transaction_isolation": "read committed",
        "default_transaction_read_only": "off",
        "check_function_bodies": "on",
        "standard_conforming_strings": "on",
        "client_min_messages": "warning",
        "row_security": "on",
        "default_tablespace": "",
        "default_table_access_method": "heap",
    }


@contextmanager
def migration_lock(
    connection: Connection, options: Options, notify: Callable[[str], None]
) -> Iterator[None]:
    """Hold the advisory lock of migrations; MIG05 when another one keeps it too long.

    Polls: a session that waits inside pg_advisory_lock() holds a snapshot, for which the
    CREATE INDEX CONCURRENTLY of the other installer would wait in turn.
    """
    deadline = time.monotonic() + options.wait_for_installer
    announced = False
    while not _scalar(connection, "select pg_try_advisory_lock(%s)", [LOCK_KEY]):
        if time.monotonic() >= deadline:
            raise MigrationError(
                ANOTHER_INSTALLER,
                f"another migration of this database is still running{_lock_holder(connection)}",
                "Wait for it, or end its session, and try again.",
            )
        if not announced:
            notify("waiting for another migration of this database")
            announced = True
        time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - spreads rivals, guards nothing
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])


def repeat_when_locked_out(
    what: str, action: Callable[[], T], options: Options, notify: Callable[[str], None]
) -> T:
    """Run ``action``; again, after a growing pause, when a lock timeout or deadlock undid it.

    ``action`` must leave no transaction open. Raises MIG06 after ``lock_attempts``.
    """
    for attempt in range(1, options.lock_attempts + 1):
        try:
            return action()
        except (errors.LockNotAvailable, errors.DeadlockDetected) as exc:
            if attempt == options.lock_attempts:
                raise MigrationError(
                    LOCKED_OUT,
                    f"{what} did not get its locks in {attempt} attempts: {server_message(exc)}",
                    "Look for long transactions in pg_stat_activity, or raise --lock-timeout.",
                ) from exc
            pause = min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
            notify(f"{what}: locked by another session, trying again in {pause:.1f} s")
            time.sleep(pause)
    raise ValueError("lock_attempts must be at least 1")


def become(connection: Connection, role: str) -> None:
    """``set local role`` in the open transaction; MIG03 when the login may not."""
    try:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    except errors.InsufficientPrivilege as exc:
        raise not_a_member(role, exc) from exc


def not_a_member(role: str, exc: psycopg.Error) -> MigrationError:
    return MigrationError(
        MISSING_PRIVILEGE,
        f"this login may not act as {role}: {server_message(exc)}",
        f"Ask a superuser or the role's creator to grant {role} to the login with admin option.",
    )


def _scalar(connection: Connection, query: str, params: list[Any]) -> Any:
    row = connection.execute(query.encode(), params).fetchone()
    return row[0] if row else None


def _lock_holder(connection: Connection) -> str:
    pid = _scalar(
        connection,
        "select l.pid from pg_locks as l join pg_database as d on d.oid = l.database"
        " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
        " and d.datname = current_database()"
        " and (l.classid::bigint << 32 | l.objid::bigint) = %s",
        [LOCK_KEY],
    )
    return f" (backend {pid})" if pid else ""
