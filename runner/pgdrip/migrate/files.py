"""The SQL tree of the package: where it is, what its files declare, in which order they run."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pgdrip
from pgdrip.migrate.errors import BAD_TREE, MigrationError
from pgdrip.migrate.statements import split_statements

Kind = Literal["run_once", "repeatable"]

OWNERS = ("drip_owner", "drip_engine")
REPEATABLE_FOLDERS = ("functions", "triggers", "views", "grants")

_RUN_ONCE_NAME = re.compile(r"V([0-9]{4,})__[a-z0-9_]+\.sql")
_DIRECTIVE = re.compile(r"--\s*(owner|requires|migrate)\s*:\s*(.*?)\s*")
_TRANSACTION_CONTROL = re.compile(
    r"(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_PRESENT = r"create\s+(?:or\s+replace\s+)?"
_NAME = r"(drip(?:_core|_report)?\.[a-z0-9_]+)"
_ROUTINE = re.compile(rf"{_PRESENT}(?:function|procedure)\s+{_NAME}", re.IGNORECASE)
_VIEW = re.compile(
    rf"{_PRESENT}(?:recursive\s+|materialized\s+)?view\s+(?:if\s+not\s+exists\s+)?{_NAME}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SqlFile:
    """One file of the tree. ``path`` is relative to the tree, with forward slashes."""

    path: str
    kind: Kind
    version: int | None
    text: str
    sha256: str
    owner: str
    requires: tuple[str, ...]
    transactional: bool

    @property
    def folder(self) -> str:
        return self.path.split("/", 1)[0]

    @property
    def statements(self) -> list[str]:
        return split_statements(self.text)

    @property
    def routines(self) -> list[str]:
        """Qualified names of the functions and procedures that the file (re)creates."""
        return self._created(_ROUTINE)

    @property
    def views(self) -> list[str]:
        """Qualified names of the views that the file (re)creates."""
        return self._created(_VIEW)

    def _created(self, pattern: re.Pattern[str]) -> list[str]:
        found = (pattern.match(strip_comments(statement)) for statement in self.statements)
        return sorted({match.group(1).lower() for match in found if match})


@dataclass(frozen=True)
class Tree:
    """All files of a package version: run-once by number, repeatables in dependency-safe order."""

    root: Path
    run_once: tuple[SqlFile, ...]
    repeatable: tuple[SqlFile, ...]

    @property
    def files(self) -> tuple[SqlFile, ...]:
        return self.run_once + self.repeatable


def owners(files: Iterable[SqlFile]) -> tuple[dict[str, str], dict[str, str]]:
    """The owner of each routine and of each view that these files (re)create."""
    listed = list(files)
    return (
        {name: file.owner for file in listed for name in file.routines},
        {name: file.owner for file in listed for name in file.views},
    )


def package_version() -> str:
    """The version that a migration records: the one of this package."""
    return pgdrip.__version__


def sql_root() -> Path:
    """The folder with ``schema/``, ``functions/`` …: package data, or ``sql/`` of a checkout."""
    package = Path(pgdrip.__file__).resolve().parent
    for candidate in (package / "sql", package.parents[1] / "sql"):
        if (candidate / "schema").is_dir():
            return candidate
    raise MigrationError(
        BAD_TREE, "the SQL files of the package were not found", "Reinstall pgdrip."
    )


def load_tree(root: Path | None = None) -> Tree:
    """Read and check the tree below ``root`` (default: the package's own).

    Raises MigrationError (MIG11) naming the file that breaks a rule.
    """
    root = root if root is not None else sql_root()
    run_once = [_load(root, path, "run_once") for path in sorted((root / "schema").glob("*.sql"))]
    run_once.sort(key=lambda file: file.version or 0)
    for first, second in itertools.pairwise(run_once):
        if first.version == second.version:
            raise _bad(second.path, f"has the same number as {first.path}")
    repeatable = [
        _load(root, path, "repeatable")
        for folder in REPEATABLE_FOLDERS
        for path in sorted((root / folder).rglob("*.sql"))
    ]
    return Tree(root, tuple(run_once), tuple(order_repeatables(repeatable)))


def order_repeatables(files: list[SqlFile]) -> list[SqlFile]:
    """Topological by ``requires``; ties by folder (functions first, grants last), then path."""
    by_path = {file.path: file for file in files}
    waiting_for: dict[str, set[str]] = {}
    dependents: dict[str, list[str]] = {path: [] for path in by_path}
    for file in files:
        waiting_for[file.path] = set(file.requires)
        for required in file.requires:
            if required not in by_path:
                raise _bad(file.path, f"requires {required}, which is no repeatable file")
            dependents[required].append(file.path)

    def rank(path: str) -> tuple[int, str]:
        return REPEATABLE_FOLDERS.index(by_path[path].folder), path

    ready = [rank(path) for path, needed in waiting_for.items() if not needed]
    heapq.heapify(ready)
    ordered: list[SqlFile] = []
    while ready:
        _, path = heapq.heappop(ready)
        ordered.append(by_path[path])
        for dependent in dict.fromkeys(dependents[path]):
            waiting_for[dependent].discard(path)
            if not waiting_for[dependent]:
                heapq.heappush(ready, rank(dependent))
    if len(ordered) < len(files):
        stuck = sorted(set(by_path) - {file.path for file in ordered})
        raise _bad(stuck[0], f"is part of a cycle of requires: {', '.join(stuck)}")
    return ordered


def strip_comments(statement: str) -> str:
    """The statement without the comments and blanks that precede it."""
    previous = None
    while statement != previous:
        previous = statement
        statement = statement.lstrip()
        if statement.startswith("--"):
            statement = statement.partition("\n")[2]
        elif statement.startswith("/*"):
            statement = statement.partition("*/")[2]
    return statement


def _load(root: Path, path: Path, kind: Kind) -> SqlFile:
    name = path.relative_to(root).as_posix()
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    version = None
    if kind == "run_once":
        match = _RUN_ONCE_NAME.fullmatch(path.name)
        if match is None:
            raise _bad(name, "is not named like V0001__what_it_does.sql")
        version = int(match.group(1))
    directives = _directives(name, text)
    owner = directives.get("owner", "drip_owner")
    if owner not in OWNERS:
        raise _bad(name, f"names the owner {owner}; only {' and '.join(OWNERS)} own objects")
    mode = directives.get("migrate")
    if mode not in (None, "no-transaction"):
        raise _bad(name, f"has the unknown directive migrate: {mode}")
    if mode is not None and kind == "repeatable":
        raise _bad(name, "is repeatable and cannot be marked no-transaction")
    requires = tuple(
        part.strip() for part in directives.get("requires", "").split(",") if part.strip()
    )
    if requires and kind == "run_once":
        raise _bad(
            name, "is a run-once file: it runs in the order of its number and requires nothing"
        )
    file = SqlFile(
        path=name,
        kind=kind,
        version=version,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        owner=owner,
        requires=requires,
        transactional=mode is None,
    )
    for statement in file.statements:
        if _TRANSACTION_CONTROL.match(strip_comments(statement)):
            raise _bad(name, "controls transactions itself; the migrator does that")
    return file


def _directives(name: str, text: str) -> dict[str, str]:
    """Directives of the leading comment lines; ``requires`` may be given more than once."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("--"):
            break
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            continue
        key, value = match.group(1), match.group(2)
        if key in found and key != "requires":
            raise _bad(name, f"has the directive {key} twice")
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _bad(path: str, what: str) -> MigrationError:
    return MigrationError(
        BAD_TREE, f"{path} {what}", "Correct the file; the guide describes the rules for SQL files."
    )
