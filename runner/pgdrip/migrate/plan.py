"""What a migration would do, and when it must not be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgdrip.migrate.bootstrap import Step, steps
from pgdrip.migrate.connection import Options, connect
from pgdrip.migrate.errors import (
    DATABASE_NEWER,
    EDITED_FILE,
    NUMBER_TOO_LOW,
    MigrationError,
)
from pgdrip.migrate.files import SqlFile, Tree, load_tree, package_version
from pgdrip.migrate.ledger import Installed, missing_steps, read_installed, version_key


@dataclass(frozen=True)
class PlannedFile:
    """A file that would run; ``reason``: new, changed, or restated (its grants are renewed)."""

    file: SqlFile
    reason: str


@dataclass(frozen=True)
class Plan:
    """What would run, in this order: ``bootstrap``, ``run_once``, ``repeatable``.

    ``reset``: all grants are taken back before the repeatable files restate them. ``orphaned``:
    repeatable files that were applied and are no longer part of the package; they are only
    reported. ``drift``: privileges that changed since the last migration.
    """

    bootstrap: tuple[Step, ...]
    run_once: tuple[SqlFile, ...]
    repeatable: tuple[PlannedFile, ...]
    reset: bool
    orphaned: tuple[str, ...]
    drift: tuple[str, ...]
    from_version: str | None
    to_version: str

    @property
    def empty(self) -> bool:
        """Whether the database is up to date: an apply would write nothing."""
        return (
            not (self.bootstrap or self.run_once or self.repeatable or self.reset)
            and self.from_version == self.to_version
        )


def plan(dsn: str, *, sql_dir: Path | None = None, options: Options | None = None) -> Plan:
    """What ``apply`` would do. Reads only. Raises MigrationError where ``apply`` would refuse."""
    options = options or Options()
    tree = load_tree(sql_dir)
    with connect(dsn, options) as connection:
        missing = missing_steps(connection, steps())
        return make_plan(tree, read_installed(connection), missing)


def make_plan(tree: Tree, installed: Installed, missing: list[Step]) -> Plan:
    """Compare package and database; raises the first of ``refusals``."""
    for refusal in refusals(tree, installed):
        raise refusal
    run_once = tuple(file for file in tree.run_once if file.path not in installed.rows)
    changed = {
        file.path: "changed" if file.path in installed.rows else "new"
        for file in tree.repeatable
        if (row := installed.rows.get(file.path)) is None or row.sha256 != file.sha256
    }
    drift = tuple(installed.drift)
    moved = bool(run_once) or installed.schema_moved
    reset = bool(drift) or any(path.startswith("grants/") for path in changed)
    regrant = moved or any(path.startswith("views/") for path in changed)
    repeatable = tuple(
        PlannedFile(file, changed.get(file.path, "restated"))
        for file in tree.repeatable
        if file.path in changed or reset or (regrant and file.folder == "grants")
    )
    known = {file.path for file in tree.files}
    return Plan(
        bootstrap=tuple(missing),
        run_once=run_once,
        repeatable=repeatable,
        reset=reset,
        orphaned=tuple(path for path in sorted(installed.rows) if path not in known),
        drift=drift,
        from_version=installed.package_version,
        to_version=package_version(),
    )


def refusals(tree: Tree, installed: Installed) -> list[MigrationError]:
    """Why this package must not be applied to this database; empty when it may be."""
    found: list[MigrationError] = []
    own, theirs = package_version(), installed.package_version
    if theirs is not None and version_key(theirs) > version_key(own):
        found.append(_newer(f"it was migrated by pgdrip {theirs}, this is {own}"))
    packaged = {file.path: file for file in tree.run_once}
    for row in installed.rows.values():
        if row.kind != "run_once":
            continue
        file = packaged.get(row.path)
        if file is None:
            found.append(_newer(f"{row.path} is applied, but not part of pgdrip {own}"))
        elif file.sha256 != row.sha256:
            found.append(
                MigrationError(
                    EDITED_FILE,
                    f"{row.path} was edited after it was applied",
                    "Restore its content and put the change in a new file with the next number.",
                )
            )
    for file in tree.run_once:
        if file.path not in installed.rows and (file.version or 0) < installed.last_run_once:
            found.append(
                MigrationError(
                    NUMBER_TOO_LOW,
                    f"{file.path} is new, but V{installed.last_run_once:04d} is already applied",
                    "Give the file a number above all released ones.",
                )
            )
    return found


def _newer(why: str) -> MigrationError:
    return MigrationError(
        DATABASE_NEWER,
        f"the database is newer than the package: {why}",
        "Install the newer pgdrip; migrations only go forward.",
    )
