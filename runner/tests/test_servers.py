"""The choice of the test server, and that the servers we start end with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from docker.api.build import process_dockerfile
from docker.utils.build import tar

import servers
from conftest import Connect
from servers import Choice, NoServer, Probes, Server, choose
from tools import postgres
from tools.postgres import ROOT

BOTH = {18: Path("/18/bin"), 15: Path("/15/bin")}

#: With a version given, a Docker client is made without asking any engine for its own.
NO_ENGINE = {"version": "1.44"}

#: Of programs, as the kernel of Linux writes it; macOS has no such file system.
NOEXEC = getattr(os, "ST_NOEXEC", 8)


def probes(*, url: int = 18, docker: bool = False, local: Mapping[int, Path] = BOTH) -> Probes:
    return Probes(
        url_major=lambda _: url, docker_answers=lambda: docker, local_majors=lambda: local
    )


def test_database_url_wins_over_everything() -> None:
    choice = choose({"DATABASE_URL": "postgresql://h/d"}, probes(url=16, docker=True))
    assert choice == Choice("url", (16,), "DATABASE_URL is set")


def test_docker_is_next() -> None:
    choice = choose({}, probes(docker=True))
    assert (choice.kind, choice.majors) == ("docker", (18, 15))


def test_local_programs_come_last() -> None:
    choice = choose({}, probes())
    assert (choice.kind, choice.majors, choice.missing) == ("local", (18, 15), ())


def test_an_empty_database_url_is_none() -> None:
    assert choose({"DATABASE_URL": ""}, probes()).kind == "local"


def test_a_version_that_is_not_here_is_left_out_and_named() -> None:
    choice = choose({}, probes(local={18: Path("/18/bin")}))
    assert (choice.majors, choice.missing) == ((18,), (15,))


def test_a_version_asked_for_by_name_is_not_left_out() -> None:
    with pytest.raises(NoServer, match="PostgreSQL 15 was not found"):
        choose({"PGDRIP_TEST_MAJORS": "18,15"}, probes(local={18: Path("/18/bin")}))


def test_nothing_found_says_what_to_do() -> None:
    with pytest.raises(NoServer, match="Set DATABASE_URL, start Docker, or install"):
        choose({}, probes(local={}))


@pytest.mark.parametrize(
    ("free", "flag", "fsync", "in_memory"),
    [
        (servers.ENOUGH, 0, "off", True),
        (servers.ENOUGH - 4096, 0, "off", False),
        (servers.ENOUGH, NOEXEC, "off", False),
        (servers.ENOUGH, 0, "on", False),
    ],
)
def test_a_server_lies_in_memory_where_there_is_plenty_and_nothing_has_to_last(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    free: int,
    flag: int,
    fsync: str,
    in_memory: bool,
) -> None:
    found = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_flag=flag)
    monkeypatch.setattr(servers, "MEMORY", tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    monkeypatch.setitem(servers.SETTINGS, "fsync", fsync)
    assert (servers._parent() == tmp_path) is in_memory


def test_without_such_a_file_system_it_lies_where_temporary_files_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers, "MEMORY", tmp_path / "missing")
    assert servers._parent() in (None, Path("/tmp"))  # noqa: S108


def test_versions_are_tested_in_the_order_given() -> None:
    assert choose({"PGDRIP_TEST_MAJORS": "15 18"}, probes()).majors == (15, 18)
    assert choose({"PGDRIP_TEST_MAJORS": "15"}, probes(docker=True)).majors == (15,)


def test_versions_that_contradict_the_url_are_refused() -> None:
    environ = {"DATABASE_URL": "postgresql://h/d", "PGDRIP_TEST_MAJORS": "15"}
    with pytest.raises(NoServer, match="leads to PostgreSQL 18"):
        choose(environ, probes(url=18))


@pytest.mark.parametrize("kind", ["docker", "local"])
def test_a_forced_choice_skips_the_search(kind: str) -> None:
    environ = {"DATABASE_URL": "postgresql://h/d", "PGDRIP_TEST_SERVER": kind}
    assert choose(environ, probes(docker=kind == "local")).kind == kind


@pytest.mark.parametrize(
    "environ", [{"PGDRIP_TEST_SERVER": "moon"}, {"PGDRIP_TEST_MAJORS": "eighteen"}]
)
def test_a_misspelt_setting_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(NoServer, match="|".join(environ)):
        choose(environ, probes())


def test_no_docker_engine_is_an_answer_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert servers.docker_answers() is False


@pytest.mark.parametrize("major", [18, 15])
def test_the_image_is_built_from_our_dockerfile_for_the_version(major: int) -> None:
    image = servers.docker_image(major, client=NO_ENGINE)
    assert image.tag == f"pgdrip-test:{major}"
    assert image._kwargs == {"buildargs": {"PG_MAJOR": str(major)}}
    # what docker-py would send as the context, .dockerignore applied
    ignored = (Path(image.path) / ".dockerignore").read_text().splitlines()
    dockerfile = process_dockerfile(image._dockerfile_path, str(image.path))
    with (
        tar(str(image.path), exclude=ignored, dockerfile=dockerfile) as context,
        tarfile.open(fileobj=context) as sent,
    ):
        files = {member.name for member in sent.getmembers() if member.isfile()}
    assert files - {".dockerignore"} == {"docker/Dockerfile"}


def test_the_dockerfile_takes_the_version_and_both_extensions() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    assert "ARG PG_MAJOR=18" in text
    assert "FROM postgres:${PG_MAJOR}" in text
    assert "postgresql-${PG_MAJOR}-pgtap" in text
    assert "postgresql-${PG_MAJOR}-plpgsql-check" in text


def test_the_container_runs_our_settings_as_superuser() -> None:
    container = servers.postgres_container("pgdrip-test:18", client=NO_ENGINE)
    container._configure()
    assert container.image.endswith("pgdrip-test:18")
    assert container.env["POSTGRES_USER"] == container.env["POSTGRES_DB"] == "postgres"
    assert container._command is not None
    assert list(container._command[:3]) == ["postgres", "-c", "fsync=off"]
    assert set(container.ports) == {"5432"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://u:p@h:5433/old?sslmode=require",
            "postgresql://u:p@h:5433/a%2Fb?sslmode=require",
        ),
        ("postgresql://u@/old?host=%2Ftmp", "postgresql://u@/a%2Fb?host=%2Ftmp"),
        ("host=h dbname=old", "dbname=a/b host=h"),
    ],
)
def test_a_url_leads_to_another_database(url: str, expected: str) -> None:
    assert servers.with_database(url, "a/b") == expected


def test_programs_are_found_by_version_and_the_first_wins(tmp_path: Path) -> None:
    first, second, broken = (tmp_path / name for name in ("first", "second", "broken"))
    for directory, version in ((first, "17.2"), (second, "17.1 (Debian)"), (broken, None)):
        directory.mkdir()
        for name in ("initdb", "pg_ctl", "postgres"):
            line = f"echo 'postgres (PostgreSQL) {version}'" if version else "exit 1"
            (directory / name).write_text(f"#!/bin/sh\n{line}\n")
            (directory / name).chmod(0o755)
    assert postgres.bin_dirs([tmp_path / "none", broken, first, second]) == {17: first}


def test_the_server_is_of_the_version_and_superuser(server: Server, connect: Connect) -> None:
    connection = connect(server.url)
    assert connection.info.server_version // 10000 == server.major
    assert connection.execute("show is_superuser").fetchone() == ("on",)


def test_databases_of_two_tests_are_apart(
    server: Server, database: str, template_database: str, connect: Connect
) -> None:
    connect(database).execute("create table public.mine ()")
    other = server.create_database("pgdrip_test_other", template_database)
    try:
        with connect(other) as connection:
            assert connection.execute("select to_regclass('public.mine')").fetchone() == (None,)
            assert connection.execute("select to_regnamespace('drip')").fetchone() == ("drip",)
    finally:
        server.drop_database("pgdrip_test_other")


def test_a_scratch_cluster_has_no_role_of_ours(scratch_cluster: Server, connect: Connect) -> None:
    rows = connect(scratch_cluster.url).execute("select rolname from pg_roles")
    assert {name for (name,) in rows if not name.startswith("pg_")} == {"postgres"}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_server_ends_with_the_tests_however_they_end(
    server: Server, tmp_path: Path, signum: signal.Signals, connect: Connect
) -> None:
    if server.bin_dir is None:
        pytest.skip("this run's server is not ours to stop")
    suite = tmp_path / "test_waits.py"
    suite.write_text(
        "import signal\n"
        "def test_waits(server):\n"
        "    print(server.url, flush=True)\n"
        "    signal.pause()\n"
    )
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "conftest", str(suite)]
    environ = os.environ | {
        "PGDRIP_TEST_MAJORS": str(server.major),
        "PGDRIP_TEST_SERVER": "local",
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "runner", "runner/tests")),
    }
    process = subprocess.Popen(
        [*command, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        # a shell's background job, and so this one, may have been started with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if line.startswith("postgresql://"))
        directory = Path(url.rpartition("host=")[2].replace("%2F", "/"))
        connection = connect(url)
        process.send_signal(signum)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert not directory.exists()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
