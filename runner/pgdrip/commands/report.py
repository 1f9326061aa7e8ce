"""``pgdrip report``: how sequences and senders are doing, from the reporting views."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
from pgdrip.reports import (
    NOTHING,
    STATUSES,
    Filters,
    Row,
    arguments,
    count,
    overview_queries,
    queries,
    rate,
    statement_by,
)


class By(StrEnum):
    """What a row of the report is of."""

    step = "step"
    sender = "sender"
    day = "day"
    channel = "channel"
    reason = "reason"
    cohort = "cohort"


#: Columns that are no figures.
_WORDS = frozenset(
    {"sequence_key", "step_key", "channel_account_key", "channel", "day", "enrolled_on"}
    | {"subject", "outcome", "reason"}
)
#: Heads that are not just the name of the column.
_HEADS = {
    "sequence_key": "sequence",
    "step_key": "step",
    "channel_account_key": "sender",
    "enrolled_on": "enrolled on",
    "version": "v",
    "step_no": "",
    "reach_rate": "of all",
    "messages_sent": "sent",
    "messages_failed": "given up",
    "messages_bounced": "bounced",
    "messages_opened": "opened",
    "messages_clicked": "clicked",
    "success_rate": "success",
    "bounce_rate": "bounced",
    "open_rate": "opened",
    "click_rate": "clicked",
    "reply_rate": "replied",
    "unsubscribe_rate": "unsubscr.",
    "complaint_rate": "complained",
    "conversion_rate": "converted",
    "unsubscribes": "unsubscr.",
    "complaints": "complained",
    "conversions": "converted",
    "occurrences": "how often",
}
_RATES = ("success_rate", "bounce_rate", "open_rate", "click_rate", "reply_rate")
_EVENTS = (
    *("messages_sent", "messages_failed", "messages_bounced", "messages_opened"),
    *("messages_clicked", "replies", "unsubscribes", "complaints", "conversions"),
)
#: What people see, where the rows have it; everything is in --csv and --json.
_SHOWN: dict[By, Sequence[str]] = {
    By.step: (
        *("step_no", "step_key", "channel", "reached", "reach_rate", "messages_sent"),
        *("messages_failed", "skipped", "open_rate", "click_rate", "replies", "unsubscribes"),
    ),
    By.sender: (
        *("channel_account_key", "channel", "messages_sent", "messages_failed"),
        *(*_RATES, "unsubscribe_rate", "complaint_rate"),
    ),
    By.channel: (
        *("channel", "messages_sent", "messages_failed", *_RATES),
        *("unsubscribe_rate", "complaint_rate", "conversion_rate"),
    ),
    By.day: ("day", "enrolled", *_EVENTS),
    By.reason: ("subject", "outcome", "reason", "occurrences"),
    By.cohort: (
        *("enrolled_on", "sequence_key", "version", "enrolled", "contacted", "completed"),
        *("reply_rate", "unsubscribe_rate", "complaint_rate", "conversion_rate"),
    ),
}
_OF_DAYS: dict[By, Sequence[str]] = {
    By.step: ("step_key", "channel", *_EVENTS),
    By.sender: ("channel_account_key", "channel", *_EVENTS),
    By.channel: ("channel", *_EVENTS),
}


def read_report(
    connection: Connection, organization_id: int, filters: Filters | None = None
) -> dict[str, list[Row]]:
    """Rows of ``sequence_overview``, ``enrollment_status`` and ``lane_status``, by short name."""
    chosen = filters or Filters()
    return _read(connection, organization_id, overview_queries(chosen), chosen)


def _read(
    connection: Connection, organization_id: int, statements: dict[str, str], filters: Filters
) -> dict[str, list[Row]]:
    """Rows of each statement, all of one instant."""
    values = arguments(organization_id, filters)
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        return {
            name: connection.execute(statement, values).fetchall()
            for name, statement in statements.items()
        }


def write_page(
    connection: Connection, organization_id: int, path: Path, filters: Filters | None = None
) -> None:
    """Write the report as one HTML page. REP03: the extra is missing; REP04: the file."""
    try:
        from pgdrip.page import document
    except ImportError as error:
        raise PgdripError(
            "REP03",
            f"the extra report is not installed: {error}",
            "Run: pip install 'pgdrip[report]'",
        ) from error
    chosen = filters or Filters()
    rows = _read(connection, organization_id, queries(chosen), chosen)
    try:
        path.write_text(document.render(rows, chosen), encoding="utf-8")
    except OSError as error:
        raise PgdripError(
            "REP04", f"the page cannot be written to {path}: {error.strerror or error}"
        ) from error


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
            one_line(row["sequence_key"]),
            str(row["version"]),
            f"{row['enrolled']:,}",
            *(f"{row[status]:,}" for status in statuses),
            f"{row['messages_sent']:,}",
            f"{row['messages_failed']:,}",
            rate(row["success_rate"]),
        )
    out.print(overview)
    lanes = Table("sender", "state", "waiting", "due", "sent today", "limit", title="Senders")
    lanes.columns[0].no_wrap = True
    for column in lanes.columns[2:]:
        column.justify = "right"
    for row in rows["lanes"]:
        limit = row["effective_limit"]
        lanes.add_row(
            one_line(row["channel_account_key"]),
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


def print_by(by: By, rows: list[Row], filters: Filters) -> None:
    """A table for people; of steps one per cohort, as a funnel is of one cohort."""
    names = _OF_DAYS.get(by, _SHOWN[by]) if filters.has_days else _SHOWN[by]
    if not rows:
        out.print(f"There is nothing to report by {by}.")
        return
    if by is not By.step:
        _print_whole(_table(f"By {by}{_days(filters)}", names, rows))
        return
    cohorts = dict.fromkeys((row["sequence_key"], row["version"]) for row in rows)
    for key, version in cohorts:
        mine = [row for row in rows if (row["sequence_key"], row["version"]) == (key, version)]
        title = f"{one_line(key)}, version {version}{_days(filters)}"
        _print_whole(_table(title, names, mine))


def _print_whole(table: Table) -> None:
    """Print a table as wide as it is: a figure that was cut off would be another figure."""
    wide = out.measure(table, options=out.options.update(max_width=1000)).maximum
    Console(width=max(wide, out.width)).print(table)


def _days(filters: Filters) -> str:
    since = f" from {filters.since}" if filters.since else ""
    return f"{since} to {filters.until}" if filters.until else since


def _table(title: str, names: Sequence[str], rows: list[Row]) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in names:
        head = _HEADS.get(name, name.replace("_", " "))
        table.add_column(head, justify="left" if name in _WORDS else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(name, row[name])) for name in names))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return NOTHING
    if name.endswith("_rate"):
        return rate(value)
    if isinstance(value, date):
        return f"{value:%a} {value}"
    return count(value) if isinstance(value, int) else one_line(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    return value


def _write_csv(rows: list[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow(["" if value is None else _plain(value) for value in row.values()])


def _write_json(rows: Any) -> None:
    json.dump(rows, sys.stdout, default=_plain, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _day(given: datetime | None) -> date | None:
    return None if given is None else given.date()


def report(
    organization: OrganizationOption = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", "-s", help="Only the sequence with this key.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="From this local day on: of enrollment (sequences, cohorts), else of the event.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Up to this local day, included."
        ),
    ] = None,
    by: Annotated[By | None, typer.Option(help="A row per step, sender, day …")] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write everything as one HTML page to this file (extra report)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON; without --by, all three views.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="As CSV; without --by, one view (--table).")
    ] = False,
    table: Annotated[
        str, typer.Option("--table", help="For --csv without --by: overview, status or lanes.")
    ] = "overview",
    url: DatabaseUrlOption = None,
) -> None:
    """Show sequences and senders: what is enrolled, sent and waiting; or what came of it, --by …

    Every number is defined in docs/reporting.md. A rate without a denominator is an en dash.
    """
    filters = Filters(sequence, _day(since), _day(until))
    statements = overview_queries(filters)
    if table not in statements:
        raise PgdripError("REP01", f"unknown table {table!r}", f"One of {', '.join(statements)}.")
    if filters.since and filters.until and filters.until < filters.since:
        raise PgdripError("REP05", f"--until {filters.until} is before --since {filters.since}")
    given = {"--html": html is not None, "--json": as_json, "--csv": as_csv}
    chosen = [name for name, is_given in given.items() if is_given]
    if len(chosen) > 1 or (html is not None and by is not None):
        both = [*chosen, *(["--by"] if by is not None else [])]
        raise PgdripError("REP05", f"{' and '.join(both)} do not go together", "Choose one.")
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        if sequence is not None:
            _require_sequence(connection, organization_id, sequence)
        if html is not None:
            write_page(connection, organization_id, html, filters)
            out.print(f"Wrote {html}.", markup=False, highlight=False)
            return
        if by is not None:
            statements = {"by": statement_by(by, filters)}
        rows = _read(connection, organization_id, statements, filters)
    if as_json:
        _write_json(rows["by"] if by is not None else rows)
    elif as_csv:
        _write_csv(rows["by" if by is not None else table])
    elif by is not None:
        print_by(by, rows["by"], filters)
    else:
        print_report(rows)


def _require_sequence(connection: Connection, organization_id: int, key: str) -> None:
    found = connection.execute(
        "select from drip_report.sequence_overview as v"
        " where v.organization_id = %s and v.sequence_key = %s limit 1",
        (organization_id, key),
    ).fetchone()
    if found is None:
        raise PgdripError("REP02", f"there is no sequence {key!r} in this organization")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("report")(report)
