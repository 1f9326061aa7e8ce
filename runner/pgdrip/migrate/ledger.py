"""What the database says was installed: the ledger rows and the state of the last migration."""

# ruff: noqa: S608 - the SQL is put together from constants of this package only

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import sql

from pgdrip.migrate.bootstrap import Step
from pgdrip.migrate.connection import Connection, become
from pgdrip.migrate.files import SqlFile, package_version
from pgdrip.migrate.privileges import PRIVILEGES_QUERY

RECORD_STATE = f"""insert into drip_core.migration_state (package_version, privileges)
values ({{version}}, {PRIVILEGES_QUERY})
on conflict (is_state) do update
set package_version = excluded.package_version,
  privileges = excluded.privileges,
  recorded_at = excluded.recorded_at"""

RECORD_FILE = """insert into drip_core.migrations as m (
  path, kind, version, sha256, duration_ms, package_version
)
values ({path}, {kind}, {number}, {sha256}, {duration_ms}, {package_version})
on conflict (path) do update
set sha256 = excluded.sha256,
  duration_ms = excluded.duration_ms,
  package_version = excluded.package_version,
  applied_at = excluded.applied_at,
  applied_by = excluded.applied_by
where m.kind = 'repeatable'"""


@dataclass(frozen=True)
class LedgerRow:
    """One applied file; ``version`` is the number of a run-once file, else None."""

    path: str
    kind: str
    version: int | None
    sha256: str


@dataclass(frozen=True)
class Installed:
    """State of a database: empty when nothing is installed.

    ``recorded_privileges`` are those of the last migration, ``privileges`` the present ones;
    ``schema_moved``: a run-once file was applied, but what follows it was not (an interrupted run).
    """

    rows: dict[str, LedgerRow] = field(default_factory=dict)
    package_version: str | None = None
    recorded_privileges: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    schema_moved: bool = False

    @property
    def last_run_once(self) -> int:
        return max(
            (row.version for row in self.rows.values() if row.version is not None), default=0
        )

    @property
    def drift(self) -> list[str]:
        """Differences between recorded and present privileges, ``+`` gained and ``-`` lost."""
        if self.package_version is None:
            return []
        before, now = set(self.recorded_privileges), set(self.privileges)
        return [f"+ {line}" for line in sorted(now - before)] + [
            f"- {line}" for line in sorted(before - now)
        ]


def missing_steps(connection: Connection, steps: Sequence[Step]) -> list[Step]:
    """The bootstrap steps that this database or cluster still needs."""
    query = "select " + ", ".join(f"({step.needed}) is not false" for step in steps)
    row = connection.execute(query.encode()).fetchone() or ()
    return [step for step, needed in zip(steps, row, strict=True) if needed]


def read_installed(connection: Connection) -> Installed:
    """Read ledger, state and present privileges; MIG03 when the login may not read them."""
    row = connection.execute(
        b"select count(*) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        b" where n.nspname = 'drip_core' and c.relname in ('migrations', 'migration_state')"
    ).fetchone()
    if row is None or row[0] < 2:
        return Installed()
    with connection.transaction():
        become(connection, "drip_owner")
        rows = connection.execute(
            b"select path, kind, version, sha256 from drip_core.migrations order by path"
        ).fetchall()
        state = connection.execute(
            f"""select s.package_version, s.privileges, {PRIVILEGES_QUERY}, exists (
              select from drip_core.migrations as m
              where m.kind = 'run_once' and m.applied_at > s.recorded_at
            ) from drip_core.migration_state as s""".encode()
        ).fetchone()
    version, recorded, present, moved = state or (None, [], [], False)
    return Installed(
        rows={row[0]: LedgerRow(*row) for row in rows},
        package_version=version,
        recorded_privileges=tuple(recorded),
        privileges=tuple(present),
        schema_moved=moved,
    )


def record_file(file: SqlFile, duration_ms: int | None) -> sql.Composed:
    """The statement that writes the ledger row of an applied file."""
    return _template(RECORD_FILE).format(
        path=sql.Literal(file.path),
        kind=sql.Literal(file.kind),
        number=sql.Literal(file.version),
        sha256=sql.Literal(file.sha256),
        duration_ms=sql.Literal(duration_ms),
        package_version=sql.Literal(package_version()),
    )


def record_state() -> sql.Composed:
    """The statement that records what a migration left behind; the last one it runs."""
    return _template(RECORD_STATE).format(version=sql.Literal(package_version()))


def version_key(version: str) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Order of package versions: ``0.9`` < ``0.10.0rc1`` < ``0.10.0`` < ``0.10.0.post1``."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    release = match.group() if match else ""
    numbers = [int(part) for part in release.split(".") if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    suffix = version[len(release) :].split("+")[0]
    if not suffix:
        rank = 2
    elif "post" in suffix:
        rank = 3
    else:
        rank = 0 if "dev" in suffix else 1
    order = {"a": 1, "b": 2, "rc": 3}
    kind = next((order[name] for name in ("rc", "b", "a") if name in suffix.lower()), 0)
    return tuple(numbers), rank, (kind, *(int(number) for number in re.findall("[0-9]+", suffix)))


def _template(text: str) -> sql.SQL:
    return sql.SQL(text)
