"""``pgdrip apply``: bring files with organizations, senders, templates and sequences into force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.types.json import Jsonb
from rich.table import Table

from pgdrip.commands.documents import Document, read_documents
from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    OrganizationOption,
    connect,
    database_url,
    find_organizations,
    out,
    set_organization,
    translate,
    use_organization,
)
from pgdrip.errors import PgdripError

_CALLS = {
    "channel_account": "select drip.apply_channel_account("
    "organization_id => %(organization_id)s, account => %(body)s) as id",
    "whatsapp_template": "select drip.apply_whatsapp_template("
    "organization_id => %(organization_id)s, template => %(body)s) as id",
}


@dataclass(frozen=True)
class Problem:
    """One finding of ``drip.validate_sequence``; ``path`` points into the definition."""

    source: str
    path: str
    code: str
    message: str


@dataclass(frozen=True)
class Applied:
    """One document in force: its kind, its key or name, and what came of it."""

    kind: str
    key: str
    result: str
    source: str


@dataclass
class Outcome:
    """What an apply did. With ``problems`` nothing was kept."""

    organization_id: int
    applied: list[Applied] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Undo(Exception):
    """Leaves the transaction block without keeping anything."""


def apply_documents(
    connection: Connection,
    documents: Sequence[Document],
    *,
    organization: str | None = None,
    create_organization: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Apply all documents in one transaction: all of them, or none when a sequence has problems.

    The connection speaks for the organization afterwards. Errors: PT… of the functions (with the
    source of the document), CLI04 (no such organization), APP04 (it cannot be created from this).
    """
    outcome = Outcome(organization_id=0)
    try:
        with connection.transaction():
            outcome.organization_id = _choose_organization(
                connection, documents, organization, create_organization, outcome
            )
            for document in documents:
                _apply_one(connection, document, outcome)
            if outcome.problems or dry_run:
                raise _Undo
    except _Undo:
        # The setting went back with the transaction; an organization made in it is gone as well.
        pass
    return outcome


def _choose_organization(
    connection: Connection,
    documents: Sequence[Document],
    organization: str | None,
    create: bool,
    outcome: Outcome,
) -> int:
    described = [document for document in documents if document.kind == "organization"]
    if len(described) > 1:
        raise PgdripError("APP04", "the files describe more than one organization")
    if organization is None and described:
        organization = _text(described[0], "name")
    if not create or (organization is not None and organization.isdigit()):
        return use_organization(connection, organization)
    if not described:
        raise PgdripError(
            "APP04",
            "--create-organization needs a document with organization: in one of the files",
        )
    document = described[0]
    name = _text(document, "name") or organization
    if name is None:
        raise PgdripError("APP04", f"{document.source}: the organization has no name")
    found = find_organizations(connection, name)
    if found:
        return use_organization(connection, name)
    created = connection.execute(
        "select drip.create_organization(name => %s, timezone => %s, settings => %s) as id",
        (name, _text(document, "timezone") or "UTC", Jsonb(document.body.get("settings") or {})),
    ).fetchone()
    assert created is not None  # noqa: S101 - a scalar select has one row
    outcome.applied.append(
        Applied("organization", name, f"created, id {created['id']}", document.source)
    )
    set_organization(connection, int(created["id"]))
    return int(created["id"])


def _apply_one(connection: Connection, document: Document, outcome: Outcome) -> None:
    arguments = {"organization_id": outcome.organization_id, "body": Jsonb(document.body)}
    try:
        if document.kind == "organization":
            _update_organization(connection, document, outcome)
        elif document.kind == "sequence":
            _apply_sequence(connection, document, arguments, outcome)
        else:
            row = connection.execute(_CALLS[document.kind], arguments).fetchone()
            assert row is not None  # noqa: S101 - a scalar select has one row
            outcome.applied.append(
                Applied(document.kind, _label(document), f"id {row['id']}", document.source)
            )
    except psycopg.Error as error:
        cause = translate(error)
        what = f"{document.source}: {document.kind} {_label(document)}"
        raise PgdripError(cause.code, f"{what}: {cause.message}", cause.hint) from error


def _update_organization(connection: Connection, document: Document, outcome: Outcome) -> None:
    unknown = set(document.body) - {"name", "timezone", "settings"}
    if unknown:
        raise PgdripError(
            "APP04",
            f"{document.source}: organization has unknown keys: {', '.join(sorted(unknown))}",
            "It may have name, timezone (both for its creation) and settings.",
        )
    if any(done.kind == "organization" for done in outcome.applied):
        return
    connection.execute(
        "select drip.update_organization(organization_id => %s, settings => %s)",
        (outcome.organization_id, Jsonb(document.body.get("settings") or {})),
    )
    outcome.applied.append(
        Applied("organization", _label(document), "settings updated", document.source)
    )


def _apply_sequence(
    connection: Connection, document: Document, arguments: dict[str, Any], outcome: Outcome
) -> None:
    problems = connection.execute(
        "select v.path, v.code, v.message from drip.validate_sequence("
        "organization_id => %(organization_id)s, definition => %(body)s) as v",
        arguments,
    ).fetchall()
    outcome.problems.extend(
        Problem(document.source, row["path"], row["code"], row["message"]) for row in problems
    )
    if problems:
        return
    row = connection.execute(
        "select s.sequence_id, s.version, s.status from drip.apply_sequence("
        "organization_id => %(organization_id)s, definition => %(body)s) as s",
        arguments,
    ).fetchone()
    assert row is not None  # noqa: S101 - the function returns one row or raises
    outcome.applied.append(
        Applied(
            "sequence", _label(document), f"version {row['version']}, {row['status']}",
            document.source,
        )
    )  # fmt: skip


def _text(document: Document, key: str) -> str | None:
    value = document.body.get(key)
    return None if value is None else str(value)


def _label(document: Document) -> str:
    return _text(document, "key") or _text(document, "name") or "without a key"


def print_outcome(outcome: Outcome, *, dry_run: bool = False) -> None:
    """Show what was applied, or the problems that prevented all of it."""
    if outcome.problems:
        table = Table("file", "where", "code", "problem", title="Problems")
        for problem in outcome.problems:
            table.add_row(problem.source, problem.path, problem.code, problem.message)
        out.print(table)
        return
    table = Table("kind", "key", "result", "file", title="Would apply" if dry_run else "Applied")
    for applied in outcome.applied:
        table.add_row(applied.kind, applied.key, applied.result, applied.source)
    out.print(table)


def apply(
    files: Annotated[list[Path], typer.Argument(help="YAML or JSON files.", metavar="FILE...")],
    organization: OrganizationOption = None,
    create_organization: Annotated[
        bool,
        typer.Option(
            "--create-organization",
            help="Create the organization of the files if there is none of its name (owner).",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, keep nothing.")
    ] = False,
    url: DatabaseUrlOption = None,
) -> None:
    """Bring organizations, senders, templates and sequences from files into force.

    All of it happens in one transaction; a problem anywhere leaves everything as it was. The same
    content again changes nothing.
    """
    documents = read_documents(files)
    with connect(database_url(url)) as connection:
        outcome = apply_documents(
            connection,
            documents,
            organization=organization,
            create_organization=create_organization,
            dry_run=dry_run,
        )
    print_outcome(outcome, dry_run=dry_run)
    if outcome.problems:
        raise PgdripError(
            "APP05",
            f"{len(outcome.problems)} problems in the definitions; nothing was changed",
            "Correct the files and run the command again.",
        )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("apply")(apply)
