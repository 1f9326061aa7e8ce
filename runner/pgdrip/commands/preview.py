"""``pgdrip preview`` and ``pgdrip test-send``: look at a message before anybody gets it."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    OrganizationOption,
    connect,
    database_url,
    out,
    use_organization,
)
from pgdrip.commands.terminal import one_line
from pgdrip.errors import PgdripError

SequenceArgument = Annotated[str, typer.Argument(metavar="SEQUENCE", help="Key of the sequence.")]
StepArgument = Annotated[str, typer.Argument(metavar="STEP", help="Key of the step.")]
ContactOption = Annotated[
    str, typer.Option("--contact", "-c", help="Id, external_id or email of the contact.")
]


def find_contact(connection: Connection, organization_id: int, given: str) -> int:
    """The contact with this id, external_id or email. PRE01: there is none, or several."""
    rows = connection.execute(
        "select contact_id from drip.list_contacts(%(org)s, %(given)s)"
        " where external_id = %(given)s or lower(email) = lower(%(given)s)",
        {"org": organization_id, "given": given},
    ).fetchall()
    if len(rows) == 1:
        return int(rows[0]["contact_id"])
    if not rows and given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    raise PgdripError(
        "PRE01",
        f"{'no contact has' if not rows else 'several contacts have'} {given!r}",
        "Give the contact's id, as drip.list_contacts shows it.",
    )


def preview_command(
    sequence: SequenceArgument,
    step: StepArgument,
    contact: ContactOption,
    as_json: Annotated[bool, typer.Option("--json", help="As drip.preview answers.")] = False,
    organization: OrganizationOption = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Show the message of a step as a contact would get it now. Nothing is written or sent."""
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        row = connection.execute(
            "select drip.preview(%s, %s, %s, %s) as message",
            (
                organization_id,
                sequence,
                step,
                find_contact(connection, organization_id, contact),
            ),
        ).fetchone()
    message: dict[str, Any] = row["message"] if row else {}
    if as_json:
        sys.stdout.write(json.dumps(message) + "\n")
        return
    for line in lines_of(message):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def lines_of(message: dict[str, Any]) -> list[str]:
    """What ``drip.preview`` answered, for a person: head, body, and why it would not go out."""
    lines = []
    if not message["would_send"]:
        missing = ", ".join(message["missing_fields"])
        lines.append(
            f"would not be sent now: {message['reason']} ({message['effect']})"
            + (f", no value for {missing}" if missing else "")
        )
    for name, key in (("from", "from"), ("to", "to")):
        if message.get(f"{key}_address"):
            person = message.get(f"{key}_name")
            address = message[f"{key}_address"]
            lines.append(one_line(f"{name}: {f'{person} <{address}>' if person else address}"))
    if message.get("subject"):
        lines.append(one_line(f"subject: {message['subject']}"))
    if message.get("template"):
        lines.append(json.dumps(message["template"]))
    body = message.get("text_body") or message.get("html_body")
    if body:
        lines += ["", *(one_line(line) for line in str(body).splitlines())]
    return lines


def send_test_command(
    sequence: SequenceArgument,
    step: StepArgument,
    contact: ContactOption,
    to: Annotated[str, typer.Option("--to", help="A member's own email address or phone.")],
    organization: OrganizationOption = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Send the message of a step, with a contact's data, to a member. A runner delivers it.

    It is labelled as a test, and counts in no limit and no report; the contact gets nothing.
    """
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        row = connection.execute(
            "select drip.send_test(%s, %s, %s, %s, %s) as id",
            (
                organization_id,
                sequence,
                step,
                find_contact(connection, organization_id, contact),
                to,
            ),
        ).fetchone()
    out.print(
        f"test {row['id'] if row else ''} waits for a runner; drip.list_tests says how it ends"
    )


def register(program: typer.Typer) -> None:
    """Add the commands to the program."""
    program.command("preview")(preview_command)
    program.command("test-send")(send_test_command)
