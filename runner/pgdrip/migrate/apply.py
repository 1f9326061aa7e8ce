"""Bring a database to the state of the package."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
from psycopg import errors

from pgdrip.migrate.bootstrap import OWNERS, Step, steps
from pgdrip.migrate.connection import (
    Connection,
    Options,
    become,
    connect,
    migration_lock,
    not_a_member,
    repeat_when_locked_out,
)
from pgdrip.migrate.errors import (
    FILE_FAILED,
    MISSING_PRIVILEGE,
    NAME_TAKEN,
    MigrationError,
    server_message,
)
from pgdrip.migrate.files import SqlFile, load_tree, owners, package_version
from pgdrip.migrate.ledger import (
    Installed,
    missing_steps,
    read_installed,
    record_file,
    record_state,
)
from pgdrip.migrate.plan import Plan, PlannedFile, make_plan
from pgdrip.migrate.privileges import (
    reset_all,
    reset_routines,
    reset_views,
    take_over,
    undo_type_drift,
)

Notify = Callable[[str], None]


@dataclass(frozen=True)
class AppliedFile:
    """One file that ran. ``reason``: new, changed or restated."""

    path: str
    reason: str
    duration_ms: int


@dataclass
class ApplyResult:
    """What an apply did, ``files`` in the order they ran. Not ``changed``: it was up to date."""

    package_version: str
    bootstrap: list[str] = field(default_factory=list)
    files: list[AppliedFile] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    changed: bool = False


def apply(
    dsn: str,
    *,
    sql_dir: Path | None = None,
    on_step: Callable[[str], None] | None = None,
    options: Options | None = None,
) -> ApplyResult:
    """Install or upgrade; on an up-to-date database nothing is written.

    ``on_step`` receives one line per step. Safe when several installers run at once. Raises
    MigrationError; what was committed before it stays, and the next apply continues there.
    """
    options = options or Options()
    notify = on_step or (lambda _: None)
    tree = load_tree(sql_dir)
    result = ApplyResult(package_version())
    with connect(dsn, options) as connection, migration_lock(connection, options, notify):
        access = [step for step in steps() if step.name.startswith(("role ", "membership "))]
        _bootstrap(connection, missing_steps(connection, access), result, options, notify)
        installed = read_installed(connection)
        todo = make_plan(tree, installed, missing_steps(connection, steps()))
        result.orphaned = list(todo.orphaned)
        if todo.empty:
            return result
        result.changed = True
        _bootstrap(connection, todo.bootstrap, result, options, notify)
        for file in todo.run_once:
            milliseconds = repeat_when_locked_out(
                file.path,
                partial(_run_once, connection, file),
                options,
                notify,
            )
            result.files.append(AppliedFile(file.path, "new", milliseconds))
            notify(f"{file.path}  {milliseconds} ms")
        result.files += repeat_when_locked_out(
            "the repeatable files",
            lambda: _repeatables(connection, todo, installed, notify),
            options,
            notify,
        )
    return result


def _bootstrap(
    connection: Connection,
    needed: tuple[Step, ...] | list[Step],
    result: ApplyResult,
    options: Options,
    notify: Notify,
) -> None:
    for step in needed:
        repeat_when_locked_out(
            step.name,
            partial(_run_step, connection, step),
            options,
            notify,
        )
        result.changed = True
        result.bootstrap.append(step.name)
        notify(step.name)


def _run_step(connection: Connection, step: Step) -> None:
    try:
        connection.execute(step.sql.encode())
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        raise
    except errors.InsufficientPrivilege as exc:
        if step.name.startswith("membership in "):
            raise not_a_member(step.name.removeprefix("membership in "), exc) from exc
        raise MigrationError(
            MISSING_PRIVILEGE,
            f"this login may not create {step.name}: {server_message(exc)}",
            "Migrate as a superuser, or as a login with CREATEROLE and CREATE on the database.",
        ) from exc
    except psycopg.Error as exc:
        code = NAME_TAKEN if exc.sqlstate == "PT409" else FILE_FAILED
        raise MigrationError(
            code, f"{step.name}: {server_message(exc)}", exc.diag.message_hint
        ) from exc


def _run_once(connection: Connection, file: SqlFile) -> int:
    """Apply a run-once file and write its ledger row; returns milliseconds."""
    if file.transactional:
        with connection.transaction():
            milliseconds = _run_file(connection, file)
            become(connection, "drip_owner")
            connection.execute(record_file(file, milliseconds))
        return milliseconds
    milliseconds = _run_outside_transaction(connection, file)
    with connection.transaction():
        become(connection, "drip_owner")
        connection.execute(record_file(file, milliseconds))
    return milliseconds


def _run_outside_transaction(connection: Connection, file: SqlFile) -> int:
    started = time.monotonic()
    connection.execute(f"set role {file.owner}".encode())
    try:
        for statement in file.statements:
            _execute(connection, file, statement)
    finally:
        if not connection.closed:
            connection.execute("reset role")
    return round((time.monotonic() - started) * 1000)


def _repeatables(
    connection: Connection, todo: Plan, installed: Installed, notify: Notify
) -> list[AppliedFile]:
    """All repeatable files in one transaction: nobody ever sees half of a new interface."""
    applied: list[AppliedFile] = []
    with connection.transaction():
        handed_on = take_over(*owners(planned.file for planned in todo.repeatable))
        if handed_on:
            connection.execute(handed_on.encode())
        if todo.reset:
            for owner in OWNERS:
                become(connection, owner)
                connection.execute(reset_all().encode())
            become(connection, "drip_owner")
            for statement in undo_type_drift(installed.recorded_privileges, installed.privileges):
                connection.execute(statement.encode())
        for planned in todo.repeatable:
            applied.append(_repeatable(connection, planned, reset=not todo.reset))
            notify(f"{planned.file.path}  {applied[-1].duration_ms} ms")
        become(connection, "drip_owner")
        connection.execute(record_state())
    return applied


def _repeatable(connection: Connection, planned: PlannedFile, *, reset: bool) -> AppliedFile:
    file = planned.file
    become(connection, file.owner)
    taken_back = reset_routines(file.routines) + reset_views(file.views) if reset else ""
    if taken_back:
        connection.execute(taken_back.encode())
    milliseconds = _run_file(connection, file)
    if planned.reason != "restated":
        become(connection, "drip_owner")
        connection.execute(record_file(file, milliseconds))
    return AppliedFile(file.path, planned.reason, milliseconds)


def _run_file(connection: Connection, file: SqlFile) -> int:
    become(connection, file.owner)
    started = time.monotonic()
    _execute(connection, file, file.text)
    return round((time.monotonic() - started) * 1000)


def _execute(connection: Connection, file: SqlFile, text: str) -> None:
    try:
        connection.execute(text.encode())
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        raise
    except psycopg.Error as exc:
        position = exc.diag.statement_position
        line = f":{_line(file, text, int(position))}" if position else ""
        context = f"\n{exc.diag.context}" if exc.diag.context else ""
        kept = (
            "Nothing of this file was kept; correct it and apply again."
            if file.transactional
            else "What ran before it was kept; the next apply runs the file from its start."
        )
        raise MigrationError(
            FILE_FAILED,
            f"{file.path}{line}: {server_message(exc)}{context}",
            exc.diag.message_hint or kept,
        ) from exc


def _line(file: SqlFile, text: str, position: int) -> int:
    """Line in the file of a 1-based character position in ``text``, a part of it."""
    offset = max(file.text.find(text), 0)
    return file.text.count("\n", 0, offset + position - 1) + 1
