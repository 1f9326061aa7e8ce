"""``pgdrip simulate``: what a sequence would do in the days to come, as ``drip.simulate`` says."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import date
from typing import Annotated, Any

import typer
from rich.table import Table

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
from pgdrip.commands.terminal import one_line
from pgdrip.errors import PgdripError

_BAR = 40


def simulate(
    connection: Connection,
    organization_id: int,
    sequence: str,
    days: int,
    tag: str | None = None,
) -> list[Row]:
    """Rows of ``drip.simulate``: day, channel_account_key, sent, deferred, ended, reason.

    With ``tag``, the contacts that have it are enrolled. SIM01: nobody has it.
    """
    contact_ids = None if tag is None else _tagged(connection, organization_id, tag)
    return connection.execute(
        "select * from drip.simulate(%s, %s, %s, %s)",
        (organization_id, sequence, contact_ids, days),
    ).fetchall()


def _tagged(connection: Connection, organization_id: int, tag: str) -> list[int]:
    found: list[int] = []
    while True:
        page = connection.execute(
            "select contact_id from drip.list_contacts(%s, tag => %s, after => %s,"
            ' "limit" => 1000)',
            (organization_id, tag, found[-1] if found else None),
        ).fetchall()
        if not page:
            break
        found += [row["contact_id"] for row in page]
    if not found:
        raise PgdripError(
            "SIM01",
            f"no contact has the tag {tag!r}",
            "Leave --tag out to simulate who is enrolled.",
        )
    return found


def simulate_command(
    sequence: Annotated[str, typer.Argument(metavar="SEQUENCE", help="Key of the sequence.")],
    days: Annotated[int, typer.Option("--days", "-d", min=1, max=366, help="Local days.")] = 30,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Enroll the contacts with this tag first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rows as JSON, one per line.")] = False,
    organization: OrganizationOption = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Foresee a sequence: per day and sender what is sent, what has to wait and what ends, and why.

    Runs the real rules on copies, on a virtual clock, with providers that accept everything;
    nothing is written and nothing is sent. Those who are enrolled now go on; where nobody is, every
    contact is enrolled.
    """
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        rows = simulate(connection, organization_id, sequence, days, tag)
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, default=str) + "\n")
        return
    if not rows:
        out.print(f"Nothing happens in {days} days.")
        return
    out.print(_table(rows))
    _chart(rows)


def _table(rows: list[Row]) -> Table:
    table = Table(title="What would happen", title_justify="left")
    table.add_column("day")
    table.add_column("sender")
    for head in ("sent", "completed", "waiting", "ended"):
        table.add_column(head, justify="right")
    table.add_column("why")
    groups: dict[tuple[date, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["day"], row["channel_account_key"]].append(row)
    for (day, key), group in groups.items():
        plain = [row for row in group if row["reason"] is None]
        reasons = [row for row in group if row["reason"] is not None]
        table.add_row(
            f"{day:%a} {day}",
            one_line(key or "-"),
            *(_count(sum(row[name] for row in plain)) for name in ("sent", "ended")),
            *(_count(sum(row[name] for row in reasons)) for name in ("deferred", "ended")),
            ", ".join(f"{row['reason']} {row['deferred'] + row['ended']}" for row in reasons),
        )
    return table


def _count(number: Any) -> str:
    return f"{number:,}" if number else ""


def _chart(rows: list[Row]) -> None:
    sent: dict[date, int] = defaultdict(int)
    for row in rows:
        sent[row["day"]] += row["sent"]
    most = max(sent.values())
    if most == 0:
        return
    out.print("\nSent per day")
    for day, number in sorted(sent.items()):
        bar = "█" * round(_BAR * number / most) or ("▏" if number else "")
        out.print(f"{day:%a} {day}  {bar} {number:,}", highlight=False)


def register(program: typer.Typer) -> None:
    """Add the command to the program."""
    program.command("simulate")(simulate_command)
