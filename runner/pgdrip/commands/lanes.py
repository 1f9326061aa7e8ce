"""``pgdrip lanes``: what each sender does, what waits for it, why it does not send; pause, resume.

Reads ``drip_report.lane_status`` as the login: one organization, or all that the login may see.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pgdrip.commands.session import (
    Connection,
    DatabaseUrlOption,
    Row,
    connect,
    database_url,
    out,
    use_organization,
)
from pgdrip.commands.terminal import one_line
from pgdrip.errors import PgdripError

app = typer.Typer(
    help="Show the senders: capacity, backlog, next slot, and why they do not send now.",
    invoke_without_command=True,
)

LanesOrganization = Annotated[
    str | None,
    typer.Option(
        "--organization",
        "--organization-id",
        "-o",
        envvar="PGDRIP_ORGANIZATION",
        help="Id or name of the organization; without it, all that the login may see.",
    ),
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the sender.")]

_HEADS = ("sender", "channel", "state", "today", "waiting", "due", "in flight", "held", "next")
#: Columns of a terminal that the table needs.
_WIDE = 130


def read_lanes(connection: Connection, organization: str | None = None) -> list[Row]:
    """Rows of ``lane_status`` with ``organization``, its name, by organization and key.

    CLI02: the login may not read the view; CLI04: it sees no such organization, or none at all.
    """
    try:
        if organization is None:
            rows = connection.execute(f"{_SELECT} {_ORDER}").fetchall()
            if not rows and not connection.execute(_ORGANIZATIONS).fetchall():
                raise PgdripError(
                    "CLI04",
                    "this login sees no organization",
                    "Name yours: --organization ID. The first one is made by:"
                    " pgdrip apply --create-organization FILE",
                )
            return rows
        organization_id = use_organization(connection, organization)
        rows = connection.execute(
            f"{_SELECT} where v.organization_id = %s {_ORDER}", (organization_id,)
        ).fetchall()
        if (
            not rows
            and not connection.execute(
                f"{_ORGANIZATIONS} where o.id = %s", (organization_id,)
            ).fetchall()
        ):
            raise PgdripError(
                "CLI04",
                f"there is no organization {organization_id} that this login may see",
                "Leave --organization out to see all that it may.",
            )
        return rows
    except psycopg.errors.InsufficientPrivilege as error:
        login = connection.info.user
        raise PgdripError(
            "CLI02", f"the login {login} may not read the senders", f"grant drip_analyst to {login}"
        ) from error


_SELECT = (
    "select v.*, o.name as organization from drip_report.lane_status as v"
    " join drip_core.organizations as o on o.id = v.organization_id"
)
_ORDER = "order by v.organization_id, v.channel_account_key"
_ORGANIZATIONS = "select o.id from drip_core.organizations as o"


def find_lane(connection: Connection, organization_id: int, key: str) -> int:
    """The id of a sender; the connection speaks for its organization.

    LAN01: there is none with this key; LAN02: the login may not look.
    """
    for statement in (
        "select a.channel_account_id as id from drip.list_channel_accounts(%s) as a"
        " where a.key = %s",
        "select a.id from drip_core.channel_accounts as a"
        " where a.organization_id = %s and a.key = %s",
    ):
        try:
            row = connection.execute(statement, (organization_id, key)).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            continue
        if row is None:
            raise PgdripError(
                "LAN01",
                f"organization {organization_id} has no sender {key!r}",
                "pgdrip lanes lists them.",
            )
        return int(row["id"])
    login = connection.info.user
    raise PgdripError(
        "LAN02", f"the login {login} may not look up senders", f"grant drip_analyst to {login}"
    )


def print_lanes(rows: list[Row], console: Console = out) -> None:
    """A row per sender, or two lines where the screen is narrow; organizations if several."""
    several = len({row["organization_id"] for row in rows}) > 1
    if console.width < _WIDE:
        for row in rows:
            whose = f" of {row['organization_id']} {row['organization']}" if several else ""
            today, waiting, due, in_flight, held = _numbers(row)
            console.print(
                Text(
                    f"{row['channel_account_key']} ({row['channel']}){whose}  {_state(row)}\n"
                    f"  today {today}, waiting {waiting}, due {due}, in flight {in_flight},"
                    f" held {held}, next {_next(row)}"
                ),
                soft_wrap=True,
            )
        return
    table = Table(*(["organization"] if several else []), *_HEADS)
    for column in table.columns:
        if column.header in {"today", "waiting", "due", "in flight", "held"}:
            column.justify = "right"
        column.no_wrap = column.header not in {"organization", "state"}
    for row in rows:
        table.add_row(
            *([Text(f"{row['organization_id']} {row['organization']}")] if several else []),
            row["channel_account_key"],
            row["channel"],
            Text(_state(row)),
            *_numbers(row),
            _next(row),
        )
    console.print(table)


def _numbers(row: Row) -> tuple[str, str, str, str, str]:
    limit = row["effective_limit"]
    today = f"{row['sent_today']:,}" + ("" if limit is None else f" of {limit:,}")
    waiting, due, in_flight, held = (
        f"{row[name]:,}" for name in ("waiting", "due", "in_flight", "held")
    )
    return today, waiting, due, in_flight, held


def _next(row: Row) -> str:
    """When the sender could send next, as the view says."""
    if row["status"] != "active":
        return "when resumed"
    if row["idle_because"] is None:
        return "now"
    times = [at for at in (row["next_slot_at"], row["next_due_at"]) if isinstance(at, datetime)]
    if row["next_due_at"] is None or row["idle_because"] == "in_flight":
        return "–"  # noqa: RUF001 - an en dash for "no value"
    return f"{max(times):%Y-%m-%d %H:%M %Z}"


def _state(row: Row) -> str:
    """``active``, with why nothing leaves now: ``blocked, sender_blocked: 535 bad password``."""
    said = row["detail"] if row["status"] != "active" else None
    why = ": ".join(one_line(part) for part in (row["idle_because"], said) if part)
    return ", ".join(part for part in (row["status"], why) if part)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@app.callback()
def lanes(
    context: typer.Context,
    organization: LanesOrganization = None,
    as_json: Annotated[bool, typer.Option("--json", help="The rows as JSON.")] = False,
    url: DatabaseUrlOption = None,
) -> None:
    """Show the senders: capacity, backlog, next slot, and why they do not send now."""
    if context.invoked_subcommand is not None:
        context.obj = (organization, url)
        return
    with connect(database_url(url)) as connection:
        rows = read_lanes(connection, organization)
    if as_json:
        json.dump(rows, sys.stdout, default=_plain, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    elif rows:
        print_lanes(rows)
    else:
        typer.echo("There are no senders yet.")


@app.command("pause")
def pause(
    context: typer.Context,
    key: Key,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in free words.")] = None,
    organization: LanesOrganization = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Stop a sender: what waits for it waits unharmed, what is in flight is still settled."""
    _steer(
        context.obj,
        (organization, url),
        key,
        "select drip.pause_lane(%s, %s, %s)",
        reason,
    )
    typer.echo(f"{key} is paused; what waits for it is kept.")


@app.command("resume")
def resume(
    context: typer.Context,
    key: Key,
    organization: LanesOrganization = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Let a paused or blocked sender send again; its gap and its limit still hold."""
    _steer(context.obj, (organization, url), key, "select drip.resume_lane(%s, %s)")
    typer.echo(f"{key} may send again.")


def _steer(
    before: tuple[str | None, str | None],
    after: tuple[str | None, str | None],
    key: str,
    statement: Any,
    *arguments: str | None,
) -> None:
    """Options may stand before the sub-command or after it."""
    organization, url = (late or early for late, early in zip(after, before, strict=True))
    with connect(database_url(url)) as connection:
        organization_id = use_organization(connection, organization)
        lane = find_lane(connection, organization_id, key)
        connection.execute(statement, (organization_id, lane, *arguments))


def register(program: typer.Typer) -> None:
    """Add the command to the program."""
    program.add_typer(app, name="lanes")
