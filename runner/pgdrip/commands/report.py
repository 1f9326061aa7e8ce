"""``pgdrip report``: how sequences and senders are doing, from the reporting views."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from decimal import Decimal
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
from pgdrip.errors import PgdripError

STATUSES = (
    "active",
    "paused",
    "completed",
    "failed",
    "exited",
    "removed",
    "bounced",
    "unsubscribed",
)
_VIEWS = {
    "overview": "select * from drip_report.sequence_overview as v"
    " where v.organization_id = %(organization_id)s"
    " and (%(sequence)s::text is null or v.sequence_key = %(sequence)s)"
    " order by v.sequence_key, v.version",
    "status": "select * from drip_report.enrollment_status as v"
    " where v.organization_id = %(organization_id)s"
    " and (%(sequence)s::text is null or v.sequence_key = %(sequence)s)"
    " order by v.sequence_key, v.version, array_position(%(statuses)s, v.status)",
    "lanes": "select * from drip_report.lane_status as v"
    " where v.organization_id = %(organization_id)s order by v.channel_account_key",
}


def read_report(
    connection: Connection, organization_id: int, sequence: str | None = None
) -> dict[str, list[Row]]:
    """Rows of ``sequence_overview``, ``enrollment_status`` and ``lane_status``, by short name."""
    arguments = {
        "organization_id": organization_id,
        "sequence": sequence,
        "statuses": list(STATUSES),
    }
    return {name: connection.execute(sql, arguments).fetchall() for name, sql in _VIEWS.items()}


def print_report(rows: dict[str, list[Row]]) -> None:
    """Two tables for people: sequences (without the statuses that nobody has) and senders."""
    statuses = [each for each in STATUSES if any(row[each] for row in rows["overview"])]
    heads = ("sequence", "v", "enrolled", *statuses, "sent", "given up", "success")
    overview = Table(*heads, title="Sequences")
    overview.columns[0].no_wrap = True
    for column in overview.columns[1:]:
        column.justify = "right"
    for row in rows["overview"]:
        overview.add_row(
            row["sequence_key"],
            str(row["version"]),
            f"{row['enrolled']:,}",
            *(f"{row[status]:,}" for status in statuses),
            f"{row['messages_sent']:,}",
            f"{row['messages_failed']:,}",
            _percent(row["success_rate"]),
        )
    out.print(overview)
    lanes = Table("sender", "state", "waiting", "due", "sent today", "limit", title="Senders")
    lanes.columns[0].no_wrap = True
    for column in lanes.columns[2:]:
        column.justify = "right"
    for row in rows["lanes"]:
        limit = row["effective_limit"]
        lanes.add_row(
            row["channel_account_key"],
            _state(row),
            f"{row['waiting']:,}",
            f"{row['due']:,}",
            f"{row['sent_today']:,}",
            "none" if limit is None else f"{limit:,}",
        )
    out.print(lanes)


def _state(row: Row) -> str:
    """``active``, or with what holds it back: ``active, daily_limit until 2026-01-06 23:00``."""
    reason, slot = row["reason"], row["next_slot_at"]
    if reason is None:
        return str(row["status"])
    until = f" until {slot:%Y-%m-%d %H:%M %Z}" if isinstance(slot, datetime) else ""
    return f"{row['status']}, {reason}{until}"


def _percent(rate: Decimal | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"  # noqa: RUF001 - an en dash for "no value"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def report(
    organization: OrganizationOption = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", "-s", help="Only the sequence with this key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All three views as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One view (--table) as CSV.")] = False,
    table: Annotated[
        str, typer.Option("--table", help="For --csv: overview, status or lanes.")
    ] = "overview",
    url: DatabaseUrlOption = None,
) -> None:
    """Show sequences and senders: what is enrolled, sent and waiting."""
    if table not in _VIEWS:
        raise PgdripError("REP01", f"unknown table {table!r}", f"One of {', '.join(_VIEWS)}.")
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        rows = read_report(connection, organization_id, sequence)
    if sequence is not None and not rows["overview"]:
        raise PgdripError("REP02", f"there is no sequence {sequence!r} in this organization")
    if as_json:
        json.dump(rows, sys.stdout, default=_plain, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        for number, row in enumerate(rows[table]):
            if number == 0:
                writer.writerow(row)
            writer.writerow(["" if value is None else _plain(value) for value in row.values()])
    else:
        print_report(rows)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("report")(report)
