"""The pgTAP suite, a test per file, and the program that runs it on a user's own server."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from conftest import Connect
from tools import pgtap
from tools.postgres import ROOT

PASSING = "begin; select plan(1); select ok(true, 'fine'); select * from finish(); rollback;"


@pytest.mark.parametrize("path", pgtap.suite_files(), ids=lambda p: str(p.relative_to(pgtap.TESTS)))
def test_sql(shared_database: str, path: Path) -> None:
    result = pgtap.run_file(shared_database, path)
    assert not result.problems, "\n".join([f"{path.relative_to(ROOT)}:", *result.problems])


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["1..1", "not ok 1 - colour", "# have: red"], "not ok 1 - colour"),
        (["1..2", "ok 1 - one"], "planned 2 tests, ran 1"),
        (["1..1", "ok 1", "ok 2"], "planned 1 tests, ran 2"),
        (["ok 1"], "no plan"),
        ([], "no plan"),
        (["1..2", "ok 1", "ok 3"], "expected test number 2"),
        (["1..1", "1..1", "ok 1"], "a second plan"),
    ],
)
def test_tap_that_is_not_a_pass_is_reported(lines: list[str], problem: str) -> None:
    assert any(found.startswith(problem) for found in pgtap.parse_tap(lines).problems)


def test_tap_that_passes_has_no_problem() -> None:
    result = pgtap.parse_tap(
        ["1..3", "ok 1 - a", "ok 2 - b # SKIP not here", "not ok 3 - c # TODO later", "# a note"]
    )
    assert (result.problems, result.passed, result.planned) == ([], 3, 3)


def test_an_error_in_a_file_fails_it_and_keeps_what_it_said(
    shared_database: str, tmp_path: Path
) -> None:
    file = tmp_path / "broken.sql"
    file.write_text("begin; select plan(2); select ok(true); select 1/0; rollback;")
    result = pgtap.run_file(shared_database, file)
    assert result.passed == 1
    assert "division by zero" in result.problems[0]
    assert "select 1/0" in result.problems[0]


def _schemas(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute("select nspname from pg_namespace where nspname !~ '^pg_'")
    return {name for (name,) in rows}


def _without_pgtap(url: str, connect: Connect) -> psycopg.Connection:
    connection = connect(url)
    pgtap.unload(connection)
    assert not _schemas(connection) & {"tap", "drip_test"}
    return connection


@pytest.mark.parametrize("passes", [True, False], ids=["passing", "failing"])
def test_the_program_leaves_the_database_as_it_was(
    database: str, connect: Connect, tmp_path: Path, passes: bool
) -> None:
    connection = _without_pgtap(database, connect)
    before = _schemas(connection)
    file = tmp_path / "file.sql"
    file.write_text(PASSING if passes else PASSING.replace("true", "false"))

    done = _program(database, file)

    assert done.returncode == (0 if passes else 1), done.stdout + done.stderr
    assert f"Result: {'PASS' if passes else 'FAIL'}" in done.stdout
    assert _schemas(connection) == before


def test_the_program_drops_what_it_loaded_on_interrupt(
    database: str, connect: Connect, tmp_path: Path
) -> None:
    connection = _without_pgtap(database, connect)
    connection.execute("select pg_advisory_lock(1)")
    file = tmp_path / "waiting.sql"
    file.write_text("select pg_advisory_lock(1);")
    process = subprocess.Popen(_command(database, file), cwd=ROOT, stderr=subprocess.PIPE)
    try:
        while not _someone_waits_for_a_lock(connection):
            assert process.poll() is None, "the program ended before it ran the file"
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    assert not _schemas(connection) & {"tap", "drip_test"}


def test_the_program_refuses_a_database_without_pgdrip(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "file.sql"
    file.write_text(PASSING)
    done = _program(empty_database, file)
    assert done.returncode == 2
    assert "run `pgdrip migrate apply` first" in done.stderr


def test_the_program_keeps_a_schema_of_the_user(
    database: str, connect: Connect, tmp_path: Path
) -> None:
    connection = _without_pgtap(database, connect)
    connection.execute("create schema drip_test; create table drip_test.precious ()")
    file = tmp_path / "file.sql"
    file.write_text(PASSING)
    done = _program(database, file)
    assert done.returncode == 2
    assert "not ours" in done.stderr
    assert connection.execute("select to_regclass('drip_test.precious')").fetchone() != (None,)
    assert "tap" not in _schemas(connection)


def test_pgtap_loads_from_plain_sql_where_the_server_has_no_extension(
    database: str, connect: Connect
) -> None:
    connection = _without_pgtap(database, connect)
    connection.execute("create schema tap")
    with connection.transaction():
        pgtap._load_plain_sql(connection)
        assert connection.execute("select tap.plan(1)").fetchone() == ("1..1",)


def _command(url: str, file: Path) -> list[str]:
    return [sys.executable, "-m", "tools.pgtap", "--database-url", url, str(file)]


def _program(url: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(url, file), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def _someone_waits_for_a_lock(connection: psycopg.Connection) -> bool:
    return connection.execute(
        "select exists (select from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database()))"
    ).fetchone() == (True,)
