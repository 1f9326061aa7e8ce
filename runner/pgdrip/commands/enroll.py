"""``pgdrip enroll``: put contacts into a sequence."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pgdrip.commands.contact_files import open_contacts
from pgdrip.commands.progress import progress_bar
from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    OrganizationOption,
    Row,
    connect,
    database_url,
    out,
    use_organization,
)
from pgdrip.errors import PgdripError

BATCH = 500


def list_contacts(
    connection: Connection, organization_id: int, tag: str | None = None, page: int = BATCH
) -> Iterator[Row]:
    """Every contact (with this tag), page by page, in the order of their ids."""
    after: int | None = None
    while True:
        rows = connection.execute(
            "select * from drip.list_contacts(organization_id => %s, tag => %s, after => %s,"
            ' "limit" => %s)',
            (organization_id, tag, after, page),
        ).fetchall()
        yield from rows
        if not rows:
            return
        after = rows[-1]["contact_id"]


def enroll_contacts(
    connection: Connection,
    organization_id: int,
    sequence_key: str,
    contact_ids: Iterable[int],
    *,
    start_at: datetime | None = None,
    source: str = "bulk",
    batch_size: int = BATCH,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Counter[str]:
    """Enroll in batches, each its own transaction; returns how often each outcome was answered.

    Repeating it is harmless: who is in already is answered as ``already_active``.
    """
    outcomes: Counter[str] = Counter()
    ids = iter(dict.fromkeys(contact_ids))
    while batch := list(islice(ids, batch_size)):
        rows = connection.execute(
            "select e.outcome::text as outcome, count(*) as contacts from drip.enroll_many("
            "organization_id => %s, sequence_key => %s, contact_ids => %s,"
            " start_at => %s, source => %s) as e group by e.outcome",
            (organization_id, sequence_key, batch, start_at, source),
        ).fetchall()
        outcomes.update({row["outcome"]: row["contacts"] for row in rows})
        on_batch(outcomes.total())
    return outcomes


def ids_from_file(connection: Connection, organization_id: int, path: Path) -> list[int]:
    """Contact ids named by a file: one id a line, or a CSV with contact_id or external_id.

    Raises ``PgdripError`` ENR01 when the file names no contacts or contacts that do not exist.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline().strip()
        if first.isascii() and first.isdigit():
            return [int(line) for line in path.read_text(encoding="utf-8-sig").split()]
        with path.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = max(",;\t", key=first.count)
            reader = csv.DictReader(stream, delimiter=delimiter)
            names = reader.fieldnames or []
            if "contact_id" in names:
                return [int(row["contact_id"]) for row in reader if row["contact_id"]]
    except OSError as error:
        raise PgdripError("ENR01", f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise PgdripError("ENR01", f"{path}: a contact id is not a number: {error}") from error
    if "external_id" not in names:
        raise PgdripError(
            "ENR01",
            f"{path} names no contacts",
            "It needs one contact id a line, or a CSV column contact_id or external_id.",
        )
    mapping = {name: "-" for name in names if name != "external_id"}
    rows = open_contacts(path, mapping=mapping).rows()
    wanted = {row.contact["external_id"] for row in rows if row.contact}
    found = {
        contact["external_id"]: int(contact["contact_id"])
        for contact in list_contacts(connection, organization_id)
        if contact["external_id"] in wanted
    }
    missing = sorted(wanted - found.keys())
    if missing:
        raise PgdripError(
            "ENR01",
            f"{len(missing)} contacts of {path} do not exist, the first: {missing[0]}",
            "Import them first: pgdrip import FILE",
        )
    return list(found.values())


def print_outcomes(sequence_key: str, outcomes: Counter[str]) -> None:
    """Show how often each outcome was answered."""
    table = Table("outcome", "contacts", min_width=36, title=f"Enrollment into {sequence_key}")
    table.columns[1].justify = "right"
    for outcome, contacts in outcomes.most_common():
        table.add_row(outcome, f"{contacts:,}")
    table.add_section()
    table.add_row("asked for", f"{outcomes.total():,}")
    out.print(table)


def enroll(
    sequence: Annotated[str, typer.Argument(help="Key of the sequence.")],
    organization: OrganizationOption = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Everyone with this tag.")] = None,
    contacts_file: Annotated[
        Path | None,
        typer.Option(help="One contact id a line, or a CSV with contact_id or external_id."),
    ] = None,
    contact: Annotated[
        list[int] | None, typer.Option("--contact", help="A contact id; may be repeated.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every contact.")] = False,
    start_at: Annotated[
        str | None, typer.Option(help="Not before this time (ISO 8601 with offset); default now.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000)] = BATCH,
    url: DatabaseUrlOption = None,
) -> None:
    """Enroll contacts into a sequence and say what came of each; repeating it is harmless."""
    chosen = [tag is not None, contacts_file is not None, bool(contact), everyone]
    if sum(chosen) != 1:
        raise PgdripError(
            "ENR02", "say who is to be enrolled", "One of --tag, --contacts-file, --contact, --all."
        )
    starts = _instant(start_at)
    with ExitStack() as stack:
        connection = stack.enter_context(connect(database_url(url)))
        organization_id = use_organization(connection, organization)
        ids: Iterable[int]
        if contact:
            ids, total, source = contact, len(contact), "manual"
        elif contacts_file is not None:
            ids = ids_from_file(connection, organization_id, contacts_file)
            total, source = len(ids), "bulk"
        else:
            found = list_contacts(connection, organization_id, tag)
            ids = (int(row["contact_id"]) for row in found)
            total, source = None, "tag" if tag is not None else "bulk"
        bar = stack.enter_context(progress_bar("Enrolling", total))
        outcomes = enroll_contacts(
            connection,
            organization_id,
            sequence,
            ids,
            start_at=starts,
            source=source,
            batch_size=batch_size,
            on_batch=bar,
        )
    print_outcomes(sequence, outcomes)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise PgdripError("ENR02", f"--start-at {text!r} is not an ISO 8601 time") from error
    if instant.tzinfo is None:
        raise PgdripError("ENR02", f"--start-at {text!r} has no offset", "Add one: …T09:00+02:00")
    return instant


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("enroll")(enroll)
