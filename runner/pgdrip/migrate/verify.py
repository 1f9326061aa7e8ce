"""Compare a database with the package, changing nothing."""

from __future__ import annotations

from pathlib import Path

from pgdrip.migrate.bootstrap import steps
from pgdrip.migrate.connection import Connection, Options, connect
from pgdrip.migrate.files import load_tree
from pgdrip.migrate.ledger import missing_steps, read_installed
from pgdrip.migrate.plan import refusals


def verify(dsn: str, *, sql_dir: Path | None = None, options: Options | None = None) -> list[str]:
    """What differs between database and package, one sentence each; empty when all is well."""
    tree = load_tree(sql_dir)
    with connect(dsn, options or Options()) as connection:
        missing = missing_steps(connection, steps())
        if any(step.name.startswith("role ") for step in missing):
            return ["pgdrip is not installed: its roles are missing"]
        installed = read_installed(connection)
        if not installed.rows:
            return ["pgdrip is not installed in this database"]
        findings = [refusal.message for refusal in refusals(tree, installed)]
        findings += [f"{step.name} differs or is missing" for step in missing]
        for file in tree.files:
            row = installed.rows.get(file.path)
            if row is None:
                findings.append(f"{file.path} is not applied")
            elif file.kind == "repeatable" and row.sha256 != file.sha256:
                findings.append(f"{file.path} changed since it was applied")
        known = {file.path for file in tree.files}
        findings += [
            f"{row.path} is orphaned: applied once, but no longer part of the package"
            for row in installed.rows.values()
            if row.kind == "repeatable" and row.path not in known
        ]
        if installed.package_version is None or installed.schema_moved:
            findings.append("the last migration did not finish")
        findings += [f"privileges changed: {line}" for line in installed.drift]
        findings += _invalid_indexes(connection)
    return findings


def _invalid_indexes(connection: Connection) -> list[str]:
    rows = connection.execute(
        b"select c.oid::regclass::text"
        b" from pg_index as i join pg_class as c on c.oid = i.indexrelid"
        b" where c.relnamespace::regnamespace::text in ('drip', 'drip_core', 'drip_report')"
        b" and not i.indisvalid order by 1"
    ).fetchall()
    return [f"index {name} is invalid: its concurrent build failed" for (name,) in rows]
