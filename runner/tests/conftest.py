"""Fixtures: servers, databases cloned from one migrated template, and connections that get closed.

Every test that asks for `server` (directly or through a database) runs once per PostgreSQL version;
one that is marked `one_version`, because it watches processes and wires and the SQL behind them is
tested elsewhere on all of them, runs on the newest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog

import servers
from servers import Choice, NoServer, Server
from tools import pgtap

Connect = Callable[..., psycopg.Connection]

_CHOICE = pytest.StashKey[Choice]()
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Chooses where the tests run, and has SIGTERM stop the servers as Ctrl-C does."""
    try:
        config.stash[_CHOICE] = servers.choose(os.environ, servers.real_probes())
    except (NoServer, psycopg.OperationalError) as problem:
        raise pytest.UsageError(str(problem)) from problem
    # set for the workers of a parallel run; tables must be as wide as each test wants them
    os.environ.pop("COLUMNS", None)
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """One line on the choice; another when a version is not tested."""
    choice = config.stash[_CHOICE]
    majors = ", ".join(map(str, choice.majors))
    lines = [f"PostgreSQL {majors} ({choice.kind}: {choice.why})"]
    lines += [f"NOT TESTED: PostgreSQL {major} is not on this machine" for major in choice.missing]
    return lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs what needs a server once per version; pytest orders by version, so each starts once."""
    if "server" in metafunc.fixturenames:
        majors = metafunc.config.stash[_CHOICE].majors
        if any(metafunc.definition.iter_markers("one_version")):
            majors = (max(majors),)
        metafunc.parametrize(
            "server", majors, indirect=True, scope="session", ids=[f"pg{m}" for m in majors]
        )


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command that runs in this process sets up its log on a stream that ends with its test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def choice(pytestconfig: pytest.Config) -> Choice:
    """Where this run's servers come from."""
    return pytestconfig.stash[_CHOICE]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, choice: Choice) -> Iterator[Server]:
    """A running server of the version under test: `.url` (superuser), `.major`, `.bin_dir`."""
    with servers.open_server(choice, request.param) as running:
        yield running


@pytest.fixture(scope="session")
def template_database(server: Server) -> Iterator[str]:
    """Name of a migrated database with pgTAP and the suite's helpers, to be cloned, never used."""
    from pgdrip import migrate

    with new_database(server) as url:
        migrate.apply(url)
        with psycopg.connect(url, autocommit=True) as connection:
            pgtap.load(connection)
            # frozen rows and fresh statistics: every clone starts alike
            connection.execute("vacuum (analyze, freeze)")
            name = connection.info.dbname
        yield name


@pytest.fixture
def database(server: Server, template_database: str) -> Iterator[str]:
    """URL of a migrated database of the test's own, dropped after it."""
    with new_database(server, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(server: Server, template_database: str) -> Iterator[str]:
    """URL of a migrated database for the tests of one file, dropped after them."""
    with new_database(server, template_database) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database(server: Server, template_database: str) -> Iterator[str]:
    """URL of a migrated database for tests that only read, or roll back what they write."""
    with new_database(server, template_database) as url:
        yield url


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """URL of a database without pgdrip. The cluster has its roles: see `scratch_cluster`."""
    with new_database(server) as url:
        yield url


@pytest.fixture
def scratch_cluster(server: Server, choice: Choice) -> Iterator[Server]:
    """A cluster of the test's own, of the same version, in which no role of pgdrip exists."""
    try:
        with servers.open_private_server(choice, server.major) as running:
            yield running
    except NoServer as problem:
        pytest.skip(f"DATABASE_URL offers no second cluster: {problem}")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """psycopg.connect (autocommit unless told otherwise) whose connections close with the test."""
    opened: list[psycopg.Connection] = []

    def connect_once(url: str, **options: Any) -> psycopg.Connection:
        options.setdefault("autocommit", True)
        opened.append(psycopg.connect(url, **options))
        return opened[-1]

    yield connect_once
    for connection in reversed(opened):
        connection.close()


@contextlib.contextmanager
def new_database(server: Server, template: str | None = None) -> Iterator[str]:
    name = f"pgdrip_test_{os.getpid()}_{next(_numbers)}"
    url = server.create_database(name, template)
    try:
        yield url
    finally:
        server.drop_database(name)
