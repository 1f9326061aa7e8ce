"""The migration as one plain SQL file, for those who vendor it instead of running the migrator."""

# ruff: noqa: S608 - the SQL is put together from constants of this package only

from __future__ import annotations

import re
from pathlib import Path

from pgdrip.migrate.bootstrap import OWNERS, steps
from pgdrip.migrate.connection import LOCK_KEY, Options, session_settings
from pgdrip.migrate.errors import BAD_RANGE, MigrationError
from pgdrip.migrate.files import SqlFile, Tree, load_tree, owners, package_version
from pgdrip.migrate.ledger import record_file, record_state
from pgdrip.migrate.privileges import reset_all, take_over
from pgdrip.migrate.statements import split_statements

Version = int | str | None


def dump_sql(
    from_version: Version = None, to_version: Version = None, *, sql_dir: Path | None = None
) -> str:
    """One file for ``psql -v ON_ERROR_STOP=1 -f``, equal to ``apply``; the ledger included.

    Holds the run-once files numbered in (``from_version``, ``to_version``], given as ``3``, ``"3"``
    or ``"V0003"`` (default: all of them), and every repeatable file. Contains no psql
    meta-command. Raises MigrationError MIG12 for a range that is not one.
    """
    tree = load_tree(sql_dir)
    last = max((file.version or 0 for file in tree.run_once), default=0)
    after = _number(from_version, 0)
    upto = _number(to_version, last)
    if not 0 <= after <= upto <= last:
        raise MigrationError(
            BAD_RANGE,
            f"the range from {after} to {upto} is not within 0 to {last}",
            "Give numbers of run-once files, for example --from V0003 --to V0005.",
        )
    chosen = [file for file in tree.run_once if after < (file.version or 0) <= upto]
    parts = [
        _header(after, upto),
        _session(),
        _guard(tree, after),
        *(step.sql for step in steps()),
        *(_run_once(file) for file in chosen),
        _repeatables(tree),
        f"do $unlock$\nbegin\n  perform pg_catalog.pg_advisory_unlock({LOCK_KEY});\nend\n$unlock$;",
        *(f"reset {name};" for name in session_settings(0)),
    ]
    return "\n\n".join(parts) + "\n"


def _number(version: Version, default: int) -> int:
    if version is None:
        return default
    match = re.fullmatch(r"[vV]?([0-9]+)", str(version).strip())
    if match is None:
        raise MigrationError(
            BAD_RANGE, f"{version} is no number of a run-once file", "Say V0003 or 3."
        )
    return int(match.group(1))


def _header(after: int, upto: int) -> str:
    scope = (
        f"run-once files V{after + 1:04d} to V{upto:04d}" if upto > after else "no run-once files"
    )
    return (
        f"-- pgdrip {package_version()}: {scope} and all repeatable files.\n"
        "-- Run with psql -v ON_ERROR_STOP=1 -f FILE, as a superuser or a login with CREATEROLE\n"
        "-- and CREATE on the database. What a failed run left, pgdrip migrate apply completes."
    )


def _session() -> str:
    settings = session_settings(Options().lock_timeout)
    return "\n".join(
        ["set client_encoding = 'UTF8';"]
        + [f"set {name} = '{value}';" for name, value in settings.items()]
    )


def _guard(tree: Tree, after: int) -> str:
    """Take the migrators' lock; refuse a database that does not stand where this file begins."""
    required = [file for file in tree.run_once if (file.version or 0) <= after]
    pairs = ", ".join(f"('{file.path}', '{file.sha256}')" for file in required)
    continues = f"this file continues after V{after:04d}"
    absent = f"raise exception '{continues}, but pgdrip is not installed'" if required else "return"
    missing = f"""
  for v_path in
    select r.path
    from (values {pairs}) as r (path, sha256)
    where not exists (
      select from drip_core.migrations as m where m.path = r.path and m.sha256 = r.sha256
    )
  loop
    raise exception '{continues}, but % is not applied, or differs', v_path;
  end loop;"""
    return f"""do $guard$
declare
  v_path text;
begin
  if not pg_catalog.pg_try_advisory_lock({LOCK_KEY}) then
    raise exception 'another migration of this database is running';
  end if;
  if not exists (
    select
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'drip_core' and c.relname = 'migrations'
  ) then
    {absent};
  end if;
  set local role drip_owner;
  for v_path in select m.path from drip_core.migrations as m where m.version > {after} loop
    raise exception '% is already applied', v_path using
      hint = 'Use pgdrip migrate apply, or a dump --from the last applied number.';
  end loop;{missing if required else ""}
end
$guard$;"""


def _run_once(file: SqlFile) -> str:
    record = f"{record_file(file, None).as_string()};"
    if file.transactional:
        return (
            f"-- {file.path}\nbegin;\nset local role {file.owner};\n{_terminated(file)}\n"
            f"set local role drip_owner;\n{record}\ncommit;"
        )
    return (
        f"-- {file.path}\nset role {file.owner};\n{_terminated(file)}\nreset role;\n"
        f"begin;\nset local role drip_owner;\n{record}\ncommit;"
    )


def _repeatables(tree: Tree) -> str:
    parts = ["-- the repeatable files\nbegin;"]
    parts.append(take_over(*owners(tree.repeatable)))
    parts += [f"set local role {owner};\n{reset_all()}" for owner in OWNERS]
    for file in tree.repeatable:
        parts.append(f"-- {file.path}\nset local role {file.owner};\n{_terminated(file)}")
        parts.append(f"set local role drip_owner;\n{record_file(file, None).as_string()};")
    parts.append(f"set local role drip_owner;\n{record_state().as_string()};\ncommit;")
    return "\n\n".join(parts)


def _terminated(file: SqlFile) -> str:
    """The file's text, its last statement ended even where the file leaves the semicolon out."""
    text = file.text.rstrip()
    ended = len(split_statements(f"{text}\nselect")) > len(file.statements)
    return text if ended else f"{text}\n;"
