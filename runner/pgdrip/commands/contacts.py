"""``pgdrip import``: contacts from a CSV file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg.types.json import Jsonb
from rich.table import Table

from pgdrip.commands.contact_files import ContactFile, Row, open_contacts
from pgdrip.commands.progress import progress_bar
from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    OrganizationOption,
    connect,
    database_url,
    out,
    use_organization,
)
from pgdrip.errors import PgdripError

BATCH = 500
SHOWN_REJECTS = 20


@dataclass(frozen=True)
class Reject:
    """A row that was skipped: its line in the file, why, and its cells."""

    line: int
    reason: str
    cells: list[str]


@dataclass
class ImportResult:
    """Outcomes by name (as the database calls them) and the rejected rows in file order."""

    outcomes: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Data rows read."""
        return sum(self.outcomes.values()) + len(self.rejects)


def import_contacts(
    connection: Connection,
    organization_id: int,
    source: ContactFile,
    *,
    batch_size: int = BATCH,
    clear_empty: bool = False,
    suppress: bool = False,
    on_batch: Callable[[int], None] = lambda line: None,
) -> ImportResult:
    """Upsert every row, ``batch_size`` to a transaction; bad rows are collected, never fatal.

    With ``suppress`` the addresses of the rows go on the suppression list instead.

    ``on_batch`` is told the last line that was dealt with. Repeating an import, whole or broken
    off, is harmless: rows are recognised by their identity.
    """
    result = ImportResult()
    rows = source.rows(clear_empty=clear_empty)
    while batch := list(islice(rows, batch_size)):
        (_suppress_batch if suppress else _import_batch)(connection, organization_id, batch, result)
        on_batch(batch[-1].line)
    return result


def _import_batch(
    connection: Connection, organization_id: int, batch: list[Row], result: ImportResult
) -> None:
    good = [row for row in batch if row.contact is not None]
    rejects = [Reject(row.line, row.problem, row.cells) for row in batch if row.problem is not None]
    if good:
        answers = connection.execute(
            "select u.ordinal, u.outcome, u.detail from drip.upsert_contacts("
            "organization_id => %s, contacts => %s) as u",
            (organization_id, Jsonb([row.contact for row in good])),
        ).fetchall()
        for answer in answers:
            if answer["outcome"] == "invalid":
                row = good[answer["ordinal"] - 1]
                rejects.append(Reject(row.line, answer["detail"] or "invalid", row.cells))
            else:
                result.outcomes[answer["outcome"]] += 1
    result.rejects.extend(sorted(rejects, key=lambda reject: reject.line))


def _suppress_batch(
    connection: Connection, organization_id: int, batch: list[Row], result: ImportResult
) -> None:
    rejects = [Reject(row.line, row.problem, row.cells) for row in batch if row.problem is not None]
    entries: list[tuple[Row, dict[str, Any]]] = []
    for row in batch:
        if row.contact is None:
            continue
        found = [row.contact[key] for key in ("email", "phone") if row.contact.get(key)]
        if not found:
            rejects.append(Reject(row.line, "it has neither email nor phone", row.cells))
        more = {"reason": row.contact["reason"]} if row.contact.get("reason") else {}
        entries += [(row, {"address": address, **more}) for address in found]
    answers = connection.execute(
        "select s.ordinal, s.outcome, s.detail from drip.suppress_many("
        "organization_id => %s, suppressions => %s) as s",
        (organization_id, Jsonb([entry for _, entry in entries])),
    ).fetchall()
    for answer in answers:
        row = entries[answer["ordinal"] - 1][0]
        if answer["outcome"] == "invalid":
            rejects.append(Reject(row.line, answer["detail"] or "invalid", row.cells))
        else:
            result.outcomes[answer["outcome"]] += 1
    result.rejects.extend(sorted(rejects, key=lambda reject: reject.line))


def write_rejects(path: Path, source: ContactFile, rejects: list[Reject]) -> None:
    """Write the rejected rows with two more columns, ``_line`` and ``_reason``.

    Import ignores columns that begin with an underscore: the file can be corrected and imported.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter=source.delimiter, lineterminator="\n")
            writer.writerow([*source.header, "_line", "_reason"])
            for reject in rejects:
                padding = [""] * (len(source.header) - len(reject.cells))
                writer.writerow([*reject.cells, *padding, reject.line, reject.reason])
    except OSError as error:
        raise PgdripError("IMP01", f"cannot write {path}: {error.strerror}") from error


def print_result(source: ContactFile, result: ImportResult) -> None:
    """Show the counts, and line and reason of the first rejected rows."""
    counts = Table("outcome", "rows", min_width=36, title=f"Import of {source.path.name}")
    counts.columns[1].justify = "right"
    for outcome, rows in sorted(result.outcomes.items()):
        counts.add_row(outcome, f"{rows:,}")
    counts.add_row("skipped", f"{len(result.rejects):,}")
    counts.add_section()
    counts.add_row("read", f"{result.rows:,}")
    out.print(counts)
    if not result.rejects:
        return
    skipped = Table("line", "reason", title="Skipped rows")
    skipped.columns[0].justify = "right"
    for reject in result.rejects[:SHOWN_REJECTS]:
        skipped.add_row(str(reject.line), reject.reason)
    out.print(skipped)
    if len(result.rejects) > SHOWN_REJECTS:
        out.print(f"… and {len(result.rejects) - SHOWN_REJECTS:,} more (see --rejects FILE)")


def import_command(
    file: Annotated[Path, typer.Argument(help="CSV file; its first line names the columns.")],
    organization: OrganizationOption = None,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="Write skipped rows with their reason here.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=KEY renames a column, COLUMN=- leaves it out."),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="One character; found by itself among , ; and tab.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Found by itself: UTF-8 or UTF-16.")] = None,
    clear_empty: Annotated[
        bool, typer.Option("--clear-empty", help="An empty cell removes the contact's value.")
    ] = False,
    suppressions: Annotated[
        bool,
        typer.Option(
            "--suppressions",
            help="The file is a suppression list: email, phone, reason.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with an error when a row was skipped.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000)] = BATCH,
    url: DatabaseUrlOption = None,
) -> None:
    """Import contacts. Bad rows are reported and skipped; running it again is harmless.

    Columns: external_id, email, phone, first_name, last_name, company, timezone, tags (separated
    by ;), attributes.NAME, consent.CHANNEL (opted_in or opted_out).
    """
    source = open_contacts(
        file,
        encoding=encoding,
        delimiter=_tab(delimiter),
        mapping=dict(_pairs(columns or [])),
        keys_too=["reason"] if suppressions else [],
    )
    with ExitStack() as stack:
        connection = stack.enter_context(connect(database_url(url)))
        organization_id = use_organization(connection, organization)
        bar = stack.enter_context(progress_bar("Importing", source.lines))
        result = import_contacts(
            connection,
            organization_id,
            source,
            batch_size=batch_size,
            clear_empty=clear_empty,
            suppress=suppressions,
            on_batch=bar,
        )
        bar(source.lines)
    print_result(source, result)
    if rejects is not None:
        write_rejects(rejects, source, result.rejects)
    if strict and result.rejects:
        raise PgdripError(
            "IMP04",
            f"{len(result.rejects)} rows were skipped; the others are imported",
            "Correct them (see --rejects FILE) and import them again.",
        )


def _pairs(columns: list[str]) -> Iterator[tuple[str, str]]:
    for column in columns:
        name, equals, key = column.rpartition("=")
        if not equals or not name or not key:
            raise PgdripError("IMP03", f"--map {column!r} is not COLUMN=KEY")
        yield name, key


def _tab(delimiter: str | None) -> str | None:
    return "\t" if delimiter in {"tab", "\\t"} else delimiter


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command: Any = app.command("import")
    command(import_command)
