"""The demo as a newcomer starts it, on servers of both versions and on the embedded one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import Connect
from pgdrip.demo import database
from pgdrip.errors import PgdripError
from servers import Server

NAME = database.OWN_SERVER_DATABASE


def pgdrip(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "pgdrip", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env=environment | {"COLUMNS": "120", "NO_COLOR": "1"},
    )


@pytest.fixture
def demo_server(server: Server) -> Iterator[str]:
    """URL of the server under test, without a database of the demo before and after."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {NAME} with (force)")
        yield server.url
        connection.execute(f"drop database if exists {NAME} with (force)")


@pytest.mark.slow
def test_C2_M6_thirty_days_go_by_and_both_logs_agree_message_by_message(
    demo_server: str, connect: Connect
) -> None:
    done = pgdrip("demo", "--database-url", demo_server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The servers' logs and the database agree, message by message." in done.stdout
    assert "nothing waits any more" in done.stdout
    assert "120 of 120" in done.stdout
    findings = [line for line in done.stdout.splitlines() if line.startswith(("yes", "NO"))]
    assert len(findings) == 31
    connection = connect(database.with_database(demo_server, NAME))
    row = connection.execute(
        "select o.enrolled, o.completed, o.bounced, o.messages_sent, o.messages_failed"
        " from drip_report.sequence_overview as o"
    ).fetchone()
    # 40 mailboxes are gone, 7 more turn out to be; 146 answer, leave or buy before the end;
    # 427 messages are WhatsApp's, or a few more or less: those of the gateway come at random gaps
    assert row is not None
    assert (row[0], row[2], row[4]) == (988, 47, 40)
    assert abs(row[1] - 795) <= 3
    assert abs(row[3] - 3062) <= 10


def test_the_embedded_server_stays_for_a_look_around_until_it_is_stopped() -> None:
    with tempfile.TemporaryDirectory(prefix="pgdrip-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            first = pgdrip("demo", "--days", "2", cwd=folder)
            assert first.returncode == 0, first.stdout + first.stderr
            assert "some still wait for their next step" in first.stdout
            (url,) = set(re.findall(r"'(postgresql://[^']+)'", first.stdout))
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "select o.active from drip_report.sequence_overview as o"
                ).fetchone()
            assert row is not None
            assert row[0] > 900
            assert "988" in (folder / ".pgdrip" / "report.html").read_text(encoding="utf-8")
            report = pgdrip("report", "--json", cwd=folder)
            assert json.loads(report.stdout)["overview"][0]["enrolled"] == 988
            again = pgdrip("demo", "--days", "1", cwd=folder)
            assert again.returncode == 0, again.stdout + again.stderr
        finally:
            stopped = pgdrip("demo", "--stop", cwd=folder)
        assert "was stopped" in stopped.stdout
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


def test_a_database_that_no_demo_made_is_never_dropped(demo_server: str, connect: Connect) -> None:
    connect(demo_server).execute(f"create database {NAME}")
    with psycopg.connect(database.with_database(demo_server, NAME)) as theirs:
        theirs.execute("create table precious (x int)")
    with pytest.raises(PgdripError, match=r"DEM02: the database .* was not made by a demo"):
        database.fresh(demo_server, None)
    assert connect(database.with_database(demo_server, NAME)).execute("table precious")


def test_a_database_of_an_earlier_demo_is_made_anew(demo_server: str, connect: Connect) -> None:
    url = database.fresh(demo_server, None)
    with psycopg.connect(url) as earlier:
        earlier.execute("create table leftover (x int)")
    assert database.fresh(demo_server, None) == url
    found = connect(url).execute("select to_regclass('leftover')").fetchone()
    assert found == (None,)
