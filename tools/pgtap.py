"""Runs the pgTAP suite: `python -m tools.pgtap --database-url URL [FILE…]`.

pgTAP goes into a schema `tap`, the suite's helpers into `drip_test`; both are dropped at the end,
also after a failure or Ctrl-C. Each file is one transaction, rolled back, on its own connection.
The database must have pgdrip installed. Exit codes: 0 all passed, 1 tests failed, 2 could not run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from pgdrip.migrate.statements import split_statements
from tools.postgres import ROOT, pgtap_sql

TESTS = ROOT / "sql" / "tests"
HELPERS = TESTS / "_helpers.sql"

_OURS = "Loaded for the test suite of pgdrip; dropped when it ends."
_LOCK = 7_263_411_095  # any number: keeps two runs on one database apart


class CannotRun(Exception):
    """The suite cannot run on this database; the message says what to do."""


@dataclass
class TapResult:
    """What one file said. `problems` is empty when it passed."""

    planned: int | None = None
    passed: int = 0
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_tap(lines: Iterable[str]) -> TapResult:
    """Reads TAP output (testanything.org): plan, assertions, diagnostics.

    Problems: a failed assertion, a missing plan, a count other than planned, a number out of order.
    """
    result = TapResult()
    count = 0
    failing = False
    for line in lines:
        result.lines.append(line)
        if plan := re.fullmatch(r"1\.\.(\d+)(\s*#.*)?", line):
            if result.planned is not None:
                result.problems.append("a second plan: " + line)
            result.planned = int(plan.group(1))
        elif test := re.match(r"(not )?ok\b\s*(\d+)?(.*)", line):
            count += 1
            todo = re.search(r"#\s*todo\b", test.group(3), re.IGNORECASE)
            failing = bool(test.group(1)) and not todo
            if failing:
                result.problems.append(line)
            else:
                result.passed += 1
            if test.group(2) and int(test.group(2)) != count:
                result.problems.append(f"expected test number {count}: {line}")
        elif line.startswith("#") and failing:
            result.problems.append(line)
    if result.planned is None:
        result.problems.append("no plan: the file never selected plan(n)")
    elif result.planned != count:
        result.problems.append(f"planned {result.planned} tests, ran {count}")
    return result


def suite_files() -> list[Path]:
    """Every file of the suite, in path order."""
    return sorted(path for path in TESTS.rglob("*.sql") if path != HELPERS)


def run_file(url: str, path: Path) -> TapResult:
    """Runs one file on a fresh connection, statement by statement as psql would."""
    lines: list[str] = []
    error: str | None = None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set search_path = {tap_schema(connection)}, public")
        for statement in split_statements(path.read_text(encoding="utf-8")):
            try:
                cursor = connection.execute(statement.encode())
                if cursor.description is not None:
                    lines += _output(cursor.fetchall())
            except psycopg.Error as failure:
                error = f"{type(failure).__name__}: {failure}\nin: {statement.strip()[:400]}"
                break
    result = parse_tap(lines)
    if error is not None:
        result.problems.insert(0, error)
    return result


def load(connection: psycopg.Connection) -> None:
    """Loads pgTAP (the extension, else its plain SQL from this machine) and the suite's helpers.

    The connection must be in autocommit mode. Raises CannotRun, with nothing left behind.
    """
    if connection.execute("select to_regnamespace('drip')").fetchone() == (None,):
        raise CannotRun(
            "pgdrip is not installed in this database: run `pgdrip migrate apply` first"
        )
    with connection.transaction():
        _drop(connection)
        if tap_schema(connection, default=None) is None:
            _create_schema(connection, "tap")
            _load_pgtap(connection)
            connection.execute("grant usage on schema tap to public")
        if HELPERS.exists():
            _create_schema(connection, "drip_test")
            connection.execute(f"set local search_path = {tap_schema(connection)}, public")
            connection.execute(HELPERS.read_bytes())


def unload(connection: psycopg.Connection) -> None:
    """Drops what `load` made, and nothing else."""
    with connection.transaction():
        _drop(connection)


@contextlib.contextmanager
def loaded(url: str) -> Iterator[None]:
    """pgTAP and the helpers are in the database behind `url` while the context lasts."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone() == (False,):
            raise CannotRun("another run of the suite is using this database")
        load(connection)
        try:
            yield
        finally:
            unload(connection)


def tap_schema(connection: psycopg.Connection, default: str | None = "tap") -> str | None:
    """Schema (quoted) of the extension pgtap where the database has it, else `default`."""
    row = connection.execute(
        "select quote_ident(n.nspname) from pg_catalog.pg_extension e"
        " join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgtap'"
    ).fetchone()
    return default if row is None else str(row[0])


def _create_schema(connection: psycopg.Connection, name: str) -> None:
    if connection.execute("select to_regnamespace(%s)", [name]).fetchone() != (None,):
        raise CannotRun(
            f"the database has a schema '{name}' that is not ours: "
            "rename it, or run the suite on a copy of the database"
        )
    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
    connection.execute(
        sql.SQL("comment on schema {} is {}").format(sql.Identifier(name), sql.Literal(_OURS))
    )


def _load_pgtap(connection: psycopg.Connection) -> None:
    available = connection.execute(
        "select from pg_catalog.pg_available_extensions where name = 'pgtap'"
    ).fetchone()
    if available is not None:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("create extension pgtap schema tap")
            return
    _load_plain_sql(connection)


def _load_plain_sql(connection: psycopg.Connection) -> None:
    path = pgtap_sql()
    if path is None:
        raise CannotRun(
            "pgTAP was found neither on the server nor on this machine. Install it on one of them "
            "(Debian and Ubuntu: the package postgresql-NN-pgtap; elsewhere: https://pgtap.org)"
        )
    connection.execute("set local search_path = tap")
    # Its functions are created in dependency order only as far as their bodies are not looked into.
    connection.execute("set local check_function_bodies = off")
    connection.execute("set local client_min_messages = warning")
    connection.execute(path.read_bytes())


def _drop(connection: psycopg.Connection) -> None:
    ours = connection.execute(
        "select nspname from pg_catalog.pg_namespace"
        " where nspname in ('tap', 'drip_test')"
        " and pg_catalog.obj_description(oid, 'pg_namespace') = %s",
        [_OURS],
    ).fetchall()
    connection.execute("set local client_min_messages = warning")
    for (name,) in ours:
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))


def _output(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    for row in rows:
        if row and row[0] is not None:
            yield from str(row[0]).splitlines()


def _report(url: str, files: Sequence[Path]) -> bool:
    """Runs the files, prints as prove does, returns whether all passed."""
    started = time.monotonic()
    width = max((len(_name(path)) for path in files), default=0) + 1
    failed = tests = 0
    for path in files:
        result = run_file(url, path)
        tests += result.passed
        print(f"{_name(path)} {'.' * (width - len(_name(path)))}.. ", end="", flush=True)
        if result.problems:
            failed += 1
            print("FAILED")
            for problem in result.problems:
                print("    " + problem.replace("\n", "\n    "))
        else:
            print("ok")
    seconds = time.monotonic() - started
    print(f"Files={len(files)}, Tests={tests} passed, {seconds:.1f} s")
    print(f"Result: {'FAIL' if failed else 'PASS'}" + (f" ({failed} files)" if failed else ""))
    return not failed


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools.pgtap", description="Run pgdrip's pgTAP suite.")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"))
    parser.add_argument("files", nargs="*", type=Path, help="default: all of sql/tests")
    options = parser.parse_args(arguments)
    if not options.database_url:
        parser.error("give --database-url or set DATABASE_URL")
    files = [path.resolve() for path in options.files] or suite_files()
    if not files:
        print("pgtap: no test files below sql/tests", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with loaded(options.database_url):
            return 0 if _report(options.database_url, files) else 1
    except (CannotRun, psycopg.OperationalError) as problem:
        print(f"pgtap: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\npgtap: interrupted; what was loaded has been dropped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
