"""The demo from beginning to end: set up, run, count, check, and say where to look next."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as dt_time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pgdrip import embedded, migrate
from pgdrip.commands.apply import apply_documents, print_outcome
from pgdrip.commands.contact_files import open_contacts
from pgdrip.commands.contacts import import_contacts, print_result
from pgdrip.commands.documents import Document, read_documents
from pgdrip.commands.enroll import enroll_contacts, list_contacts, print_outcomes
from pgdrip.commands.progress import progress_bar
from pgdrip.commands.report import read_report, write_page
from pgdrip.commands.session import Connection, Row, connect, err, out
from pgdrip.db import Database
from pgdrip.demo import database, site
from pgdrip.demo.campaign import Run, run_campaign
from pgdrip.demo.check import (
    Finding,
    OfficeHours,
    check_hours,
    check_limits,
    check_rotation,
    compare_deliveries,
    compare_sets,
    per_sender_and_day,
)
from pgdrip.demo.clock import VirtualClock
from pgdrip.demo.evidence import (
    Answers,
    DatabaseSide,
    ServerSide,
    read_answers,
    read_database,
    read_server,
)
from pgdrip.demo.gateways import Gateway, Waha
from pgdrip.demo.people import Deeds, People
from pgdrip.demo.smtp_world import UNKNOWN_USER, Mailbox, Outage, SmtpWorld, greylist
from pgdrip.demo.whatsapp_world import WhatsappWorld
from pgdrip.errors import PgdripError
from pgdrip.log import configure_logging
from pgdrip.reports import STATUSES

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""A Monday."""
OUTAGE = Outage(
    start=datetime(2026, 1, 14, 7, 30, tzinfo=UTC),
    end=datetime(2026, 1, 14, 9, 45, tzinfo=UTC),
    mode="421",
)
"""Just when the offices of Europe open."""
SLOW_DOMAIN = "slowpost.example"
FORMER_PREFIX = "former."
SEQUENCE = "welcome"
CHAT_SENDER = "whatsapp-line"
#: Steps that need a phone number.
CHAT_STEPS = 2
SECRETS = {
    "LANTERN_META_SECRET": WhatsappWorld.app_secret,
    "LANTERN_META_WORD": "a word",
    "LANTERN_WAHA_KEY": "a key",
    "LANTERN_WAHA_HOOK_KEY": "another key",
}
TAG = "lead"
_SHOWN_PROBLEMS = 5


def run(
    *, database_url: str | None, folder: Path | None, days: int = 30, html: Path | None = None
) -> bool:
    """Run the demo and print it. True: the check holds. Raises ``PgdripError``.

    The report page goes to ``html``; without one, into the folder of the embedded server.
    """
    configure_logging(level="error")
    began = time.monotonic()
    examples = find_examples()
    clock = VirtualClock(START)
    world = SmtpWorld(
        clock=clock,
        mailboxes=mailboxes(examples / "contacts.csv"),
        outages=[OUTAGE],
        keep_content=True,
    )
    listener, pages = site.bound()
    chats = WhatsappWorld(clock=lambda: clock.now)
    gateway = Waha(key=SECRETS["LANTERN_WAHA_KEY"], clock=clock)
    addresses = addresses_of_phones(examples / "contacts.csv")

    out.rule("pgdrip demo")
    with _doing("Starting PostgreSQL"):
        url = database.fresh(database_url, folder)
    with _doing("Installing pgdrip in it"):
        installed = migrate.apply(url)
    out.print(f"Installed pgdrip {installed.package_version}: {len(installed.files)} SQL files.")

    with (
        world.in_thread(),
        chats.serving(),
        gateway,
        _secrets(SECRETS | {"LANTERN_WHATSAPP_TOKEN": chats.access_token}),
        site.serving(url, clock, listener),
        connect(url) as connection,
    ):
        organization_id = set_up(connection, examples, world, chats, gateway, pages, clock.now)
        chats.callback = f"{pages}/webhooks/{organization_id}/{CHAT_SENDER}"
        people: list[People] = []

        def make_people(database: Database) -> People:
            known = external_ids(examples / "contacts.csv")
            people.append(People(database, organization_id, clock, world, known, chats, addresses))
            return people[0]

        result = _run(url, clock, START + timedelta(days=days), organization_id, make_people)
        database_side = read_database(connection, organization_id)
        answers = read_answers(connection, organization_id)
        number = account_address(examples, "whatsapp_lite")
        server_side = read_server(world, chats, gateway, number, addresses)
        _set_clock(connection, clock.now)
        overview = read_report(connection, organization_id)["overview"]
        if html is None and database_url is None:
            html = (folder or embedded.default_folder()) / "report.html"
        if html is not None:
            write_page(connection, organization_id, html)

    left = "nothing waits any more" if result.finished else "some still wait for their next step"
    out.print(f"Ran to {result.ended_at:%A %d %B %Y} on the virtual clock: {left}.")
    print_summary(result, database_side, server_side)
    print_days(database_side)
    deeds = people[0].deeds
    print_answers(overview[0])
    findings = [
        *check(database_side, server_side, set(addresses.values())),
        check_values(examples / "contacts.csv", chats, addresses),
        *check_times_and_senders(examples, server_side, result),
        check_report(database_side, overview),
        *check_answers(deeds, answers, server_side),
        check_answers_report(deeds, overview[0]),
    ]
    holds = print_findings(findings)
    print_next(url, embedded_server=database_url is None, folder=folder, html=html)
    out.print(f"The demo took {time.monotonic() - began:.0f} seconds.")
    return holds


def find_examples() -> Path:
    """The folder ``examples``: package data, or that of a checkout. Raises DEM05."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "examples", package.parents[1] / "examples"):
        if (candidate / "contacts.csv").is_file():
            return (
                Path(os.path.relpath(candidate))
                if candidate.is_relative_to(Path.cwd())
                else candidate
            )
    raise PgdripError("DEM05", "the example files were not found", "Reinstall pgdrip.")


def mailboxes(contacts: Path) -> dict[str, Mailbox]:
    """How the mailboxes of the example contacts behave; those not listed accept everything.

    ``@slowpost.example`` greylists the first message of each recipient, every fifth twice;
    ``former.…@`` has left (550).
    """
    with contacts.open(encoding="utf-8", newline="") as stream:
        addresses = [row["email"].lower() for row in csv.DictReader(stream)]
    slow = [address for address in addresses if address.endswith(f"@{SLOW_DOMAIN}")]
    behaviours = {
        address: greylist(2 if number % 5 == 0 else 1) for number, address in enumerate(slow)
    }
    for address in addresses:
        if address.startswith(FORMER_PREFIX):
            behaviours[address] = UNKNOWN_USER
    return behaviours


def external_ids(contacts: Path) -> dict[str, str]:
    """The ids that the host system gave the example contacts, by address."""
    with contacts.open(encoding="utf-8", newline="") as stream:
        return {row["email"].lower(): row["external_id"] for row in csv.DictReader(stream)}


def addresses_of_phones(contacts: Path) -> dict[str, str]:
    """The mail addresses of the example contacts that have a phone number, by number."""
    with contacts.open(encoding="utf-8", newline="") as stream:
        return {
            re.sub(r"[^+0-9]", "", row["phone"]): row["email"].lower()
            for row in csv.DictReader(stream)
            if row["phone"]
        }


def set_up(
    connection: Connection,
    examples: Path,
    world: SmtpWorld,
    chats: WhatsappWorld,
    gateway: Gateway,
    pages: str,
    now: datetime,
) -> int:
    """Organization, senders, sequence, contacts and enrollments; returns the organization's id."""
    _set_clock(connection, now)
    files = [examples / name for name in ("organization.yaml", "senders.yaml", "welcome.yaml")]
    documents = [
        _aimed_at(document, world, chats, gateway, pages) for document in read_documents(files)
    ]
    applied = apply_documents(connection, documents, create_organization=True)
    print_outcome(applied)
    if applied.problems:
        raise PgdripError("DEM06", "the example files have problems")
    organization_id = applied.organization_id

    source = open_contacts(examples / "contacts.csv")
    with progress_bar("Importing", source.lines) as done:
        imported = import_contacts(connection, organization_id, source, on_batch=done)
    print_result(source, imported)

    contacts = list_contacts(connection, organization_id, TAG)
    with progress_bar("Enrolling", imported.outcomes.total()) as done:
        outcomes = enroll_contacts(
            connection,
            organization_id,
            SEQUENCE,
            (int(row["contact_id"]) for row in contacts),
            source="tag",
            on_batch=done,
        )
    print_outcomes(SEQUENCE, outcomes)
    return organization_id


def account_address(examples: Path, channel: str) -> str:
    """The address of the example's sender of a channel."""
    documents = read_documents([examples / "senders.yaml"])
    return next(str(d.body["address"]) for d in documents if d.body.get("channel") == channel)


def _aimed_at(
    document: Document, world: SmtpWorld, chats: WhatsappWorld, gateway: Gateway, pages: str
) -> Document:
    """The example, sending through the demo's own servers, its links to the demo's pages."""
    if document.kind == "organization":
        settings = {**document.body["settings"], "public_base_url": pages}
        return replace(document, body={**document.body, "settings": settings})
    if document.kind == "whatsapp_template":
        chats.templates.append(document.body)
    if document.kind != "channel_account":
        return document
    if document.body["channel"] == "whatsapp_cloud":
        chats.number = document.body["address"]
        config = {**document.body["config"], **chats.config}
        return replace(document, body={**document.body, "config": config})
    if document.body["channel"] == "whatsapp_lite":
        config = {**document.body["config"], "endpoint": gateway.url}
        return replace(document, body={**document.body, "config": config})
    return replace(document, body={**document.body, "config": world.config})


def _set_clock(connection: Connection, now: datetime) -> None:
    connection.execute("select set_config('drip.now', %s, false)", (now.isoformat(),))


def _run(
    url: str,
    clock: VirtualClock,
    until: datetime,
    organization_id: int,
    make_people: Callable[[Database], People],
) -> Run:
    """Run the campaign under a progress bar that shows the virtual date."""
    start = clock.now
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[sent]:,} sent"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", total=(until - start).total_seconds(), sent=0)

        def on_progress(now: datetime, run: Run) -> None:
            progress.update(
                task,
                completed=(now - start).total_seconds(),
                description=f"{now:%a %d %b %H:%M} UTC",
                sent=run.outcomes["sent"],
            )

        return asyncio.run(
            run_campaign(
                url,
                clock,
                until,
                on_progress,
                organization_id=organization_id,
                make_people=make_people,
            )
        )


@contextmanager
def _secrets(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables, for as long as the demo runs."""
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)


@contextmanager
def _doing(what: str) -> Any:
    if err.is_terminal:
        with err.status(f"{what} …"):
            yield
    else:
        yield


def check(
    database_side: DatabaseSide, server_side: ServerSide, with_phone: set[str] | None = None
) -> Iterable[Finding]:
    """Everything that both sides must agree on; ``with_phone``: who can have a chat (None: all)."""
    yield from compare_deliveries(server_side.deliveries, database_side.deliveries)
    yield from compare_deliveries(server_side.chats, database_side.chats, "WhatsApp")
    yield compare_sets(
        f"the {len(set(server_side.unknown_users)):,} mailboxes that the server does not know are"
        " those whose messages failed for it",
        server_side.unknown_users,
        [each.recipient for each in database_side.failures if each.reason == "invalid_address"],
    )
    yield Finding(
        "a mailbox that does not exist was tried once",
        [
            f"{address} was refused more than once"
            for address in sorted(set(server_side.unknown_users))
            if server_side.unknown_users.count(address) > 1
        ],
    )
    refusals = server_side.greylisted + Counter(server_side.unknown_users)
    attempts = database_side.failed_attempts
    yield Finding(
        f"the server refused {refusals.total():,} times ({server_side.greylisted.total():,} for"
        " greylisting), and each is a failed attempt in the database",
        [
            f"{address}: {refusals[address]} on the server, {attempts[address]} in the database"
            for address in sorted(refusals.keys() | attempts.keys())
            if refusals[address] != attempts[address]
        ],
    )
    everything = [*server_side.deliveries, *server_side.chats]
    received = Counter(each.recipient for each in everything)
    yield Finding(
        f"each of the {len(database_side.completed):,} contacts who completed received all"
        f" {database_side.steps} messages, those without a phone two less",
        [
            f"{address} received {received[address]}"
            for address in database_side.completed
            if received[address]
            != database_side.steps
            - CHAT_STEPS * (with_phone is not None and address not in with_phone)
        ],
    )
    counts = per_sender_and_day(everything, database_side.senders)
    yield check_limits(counts, database_side.senders)
    yield Finding(
        "no message is left with an unknown outcome",
        [f"{database_side.held} are held"] if database_side.held else [],
    )
    yield Finding("the database finds no violation of its invariants", database_side.violations)


def check_times_and_senders(
    examples: Path, server_side: ServerSide, result: Run
) -> Iterable[Finding]:
    """What the example files ask for, beside the server's log alone: the window, the senders."""
    (organization,) = read_documents([examples / "organization.yaml"])
    (sequence,) = read_documents([examples / "welcome.yaml"])
    accounts = [
        document
        for document in read_documents([examples / "senders.yaml"])
        if document.kind == "channel_account"
    ]
    with (examples / "contacts.csv").open(encoding="utf-8", newline="") as stream:
        timezones = {row["email"].lower(): row["timezone"] for row in csv.DictReader(stream)}
    window = sequence.body["window"]
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    yield check_hours(
        [*server_side.deliveries, *server_side.chats],
        OfficeHours(
            weekdays=frozenset(names.index(day) + 1 for day in window["days"]),
            start=dt_time.fromisoformat(window["start"]),
            end=dt_time.fromisoformat(window["end"]),
            holidays=frozenset(date.fromisoformat(day) for day in window["holidays"]),
            timezones=timezones,
            default_timezone=organization.body["timezone"],
        ),
    )
    addresses = {account.body["key"]: account.body["address"] for account in accounts}
    kept, shares = check_rotation(
        server_side.deliveries,
        {
            addresses[each["account"]]: each["weight"]
            for each in sequence.body["senders"]
            if "@" in addresses[each["account"]]
        },
    )
    yield kept
    # before the end, a sender that is being warmed up has not reached its share
    if result.finished:
        yield shares


def check_report(database_side: DatabaseSide, overview: Sequence[Row]) -> Finding:
    """The reporting view gives the figures that were counted from the rows."""
    row = overview[0]
    expected = {
        "enrolled": database_side.enrolled,
        **{status: database_side.statuses.get(status, 0) for status in STATUSES},
        "messages_sent": len(database_side.deliveries) + len(database_side.chats),
        "messages_failed": len(database_side.failures),
    }
    return Finding(
        "drip_report.sequence_overview gives these figures, and its statuses sum to enrolled",
        [
            f"{name}: {row[name]} instead of {value}"
            for name, value in expected.items()
            if row[name] != value
        ],
    )


def check_answers(deeds: Deeds, answers: Answers, server_side: ServerSide) -> Iterable[Finding]:
    """What people did, beside the facts in the database; and that it stopped what it had to."""
    for what, done, found in (
        ("replied", deeds.replied, answers.people["replied"]),
        ("sent an absence note", deeds.away, answers.people["auto_replied"]),
        ("complained", deeds.complained, answers.people["complained"]),
        ("unsubscribed", deeds.unsubscribed, answers.people["unsubscribed"]),
        ("won a deal", deeds.bought, answers.people["converted"]),
    ):
        yield compare_sets(f"{len(done):,} {what}: the facts are there", done, found)
    yield compare_sets(
        f"{len(deeds.returned):,} mailboxes returned a message that they had taken",
        deeds.returned,
        answers.people["bounced"],
    )
    yield compare_sets(
        f"{len(deeds.delivered):,} WhatsApp messages were delivered, as its webhooks say",
        map(" ".join, deeds.delivered),
        map(" ".join, answers.delivered),
    )
    for what, deed, kind in (
        ("opened", (deeds.opened, deeds.machine_opened), "opened"),
        ("clicked in", (deeds.clicked, deeds.machine_clicked), "clicked"),
    ):
        both = [
            compare_sets("", map(" ".join, done), map(" ".join, found))
            for done, found in zip(deed, answers.messages[kind], strict=True)
        ]
        yield Finding(
            f"{len(deed[0]):,} messages were {what} by people, {len(deed[1]):,} by machines",
            [problem for finding in both for problem in finding.problems],
        )
    late = [
        f"{each.recipient} got {each.message_id} at {each.at}"
        for each in (*server_side.deliveries, *server_side.chats)
        if (stopped := deeds.stopped_at.get(each.recipient)) is not None and each.at > stopped
    ]
    yield Finding(
        f"none of the {len(deeds.stopped_at):,} who answered, left or bought got another message",
        late,
    )


def check_values(contacts: Path, chats: WhatsappWorld, addresses: Mapping[str, str]) -> Finding:
    """Every placeholder of the WhatsApp template arrived with its own value."""
    with contacts.open(encoding="utf-8", newline="") as stream:
        rows = {row["email"].lower(): row for row in csv.DictReader(stream)}
    problems = []
    for each in chats.accepted:
        row = rows[addresses[each.recipient]]
        expected = {
            "body": (row["first_name"] or "there", "7", row["company"] or "your team"),
            "button 0": (row["external_id"],),
            "button 1": ("STOP",),
        }
        if each.parameters != expected:
            problems.append(f"{each.recipient} got {each.parameters} instead of {expected}")
    return Finding(
        f"each of the {len(chats.accepted):,} WhatsApp messages has its recipient's own values",
        problems,
    )


def check_answers_report(deeds: Deeds, row: Row) -> Finding:
    """The rates of the report are those of what people did."""
    contacted, left = row["contacted"], row["messages_sent"] - len(deeds.returned)
    expected = {
        "open_rate": len(deeds.opened) / left,
        "click_rate": len(deeds.clicked) / left,
        "machine_opens": len(deeds.machine_opened),
        "machine_clicks": len(deeds.machine_clicked),
        "reply_rate": len(deeds.replied) / contacted,
        "unsubscribe_rate": len(deeds.unsubscribed) / contacted,
        "complaint_rate": len(deeds.complained) / contacted,
        "conversion_rate": len(deeds.bought) / contacted,
        "bounce_rate": len(deeds.returned) / row["messages_sent"],
    }
    return Finding(
        "the report gives the rates of what people did",
        [
            f"{name}: {row[name]} instead of {value:.4f}"
            for name, value in expected.items()
            if row[name] is None or abs(float(row[name]) - value) > 0.00005
        ],
    )


def every_day(days: Sequence[date]) -> Iterable[date]:
    """All days from the first to the last."""
    first, last = min(days), max(days)
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def print_summary(result: Run, database_side: DatabaseSide, server_side: ServerSide) -> None:
    """Statuses that add up to what was enrolled, and what happened to messages."""
    people = Table("status", "enrollments", min_width=36, title="What became of everyone")
    for status, enrollments in database_side.statuses.items():
        people.add_row(status, f"{enrollments:,}")
    people.add_section()
    people.add_row("enrolled", f"{database_side.enrolled:,}")
    messages = Table("messages", "", min_width=36, title="What happened to messages")
    bounced = sum(each.reason == "invalid_address" for each in database_side.failures)
    for name, count in (
        ("sent by e-mail", len(database_side.deliveries)),
        ("sent on WhatsApp", len(database_side.chats)),
        ("failed", len(database_side.failures)),
        ("  of these bounced", bounced),
        ("sent or failed after a retry", database_side.retried),
        ("put off by the outage (times)", result.outcomes["throttled"]),
    ):
        messages.add_row(name, f"{count:,}")
    for table in (people, messages):
        table.columns[1].justify = "right"
        out.print(table)
    out.print(
        f"The server turned {server_side.turned_away:,} connections away in its outage"
        f" ({OUTAGE.start:%d %b %H:%M} to {OUTAGE.end:%d %b %H:%M} UTC)."
    )


def print_days(database_side: DatabaseSide) -> None:
    """Messages per sender and local day, with the limit of that day."""
    counts = per_sender_and_day(
        [*database_side.deliveries, *database_side.chats], database_side.senders
    )
    senders = [sender for sender in database_side.senders if sender.key in counts]
    table = Table("day", *(sender.key for sender in senders), title="Sent per sender and day")
    for column in table.columns[1:]:
        column.justify = "right"
    sent_on = [day for each in counts.values() for day in each]
    for day in every_day(sent_on):
        cells: list[str] = []
        for sender in senders:
            sent = counts[sender.key][day]
            limit = sender.limit_on(day, min(counts[sender.key]))
            cells.append(f"{sent:,} of {limit:,}" if limit is not None else f"{sent:,}")
        table.add_row(f"{day:%a %d %b}", *cells)
    table.add_section()
    table.add_row("sum", *(f"{counts[sender.key].total():,}" for sender in senders))
    out.print(table)


def print_answers(row: Row) -> None:
    """What came back, as the report says it."""
    table = Table("what came back", "", min_width=36, title="Answers, as the report has them")
    table.columns[1].justify = "right"
    for name in (
        "open_rate",
        "click_rate",
        "reply_rate",
        "unsubscribe_rate",
        "complaint_rate",
        "bounce_rate",
        "conversion_rate",
    ):
        value = row[name]
        table.add_row(name, "-" if value is None else f"{100 * float(value):.1f} %")
    table.add_row("machine_opens", f"{row['machine_opens']:,}")
    table.add_row("machine_clicks", f"{row['machine_clicks']:,}")
    out.print(table)


def print_findings(findings: Sequence[Finding]) -> bool:
    """Say of each claim whether it holds; returns whether all do."""
    out.rule("Check: the logs of mail server and WhatsApp against the database")
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = Text("yes", "green") if finding.holds else Text("NO", "bold red")
        table.add_row(mark, Text(finding.claim))
        for problem in finding.problems[:_SHOWN_PROBLEMS]:
            table.add_row("", Text(f"- {problem}"))
        if len(finding.problems) > _SHOWN_PROBLEMS:
            table.add_row("", f"… and {len(finding.problems) - _SHOWN_PROBLEMS:,} more")
    out.print(table)
    holds = all(finding.holds for finding in findings)
    if holds:
        out.print("[green]The servers' logs and the database agree, message by message.[/]")
    else:
        out.print("[bold red]The servers' logs and the database DISAGREE.[/]")
    return holds


def print_next(
    url: str, *, embedded_server: bool, folder: Path | None, html: Path | None = None
) -> None:
    """Commands to copy, each on one unbroken line."""
    quoted = shlex.quote(url)
    psql = shutil.which("psql") and "psql"
    if psql is None and embedded_server:
        psql = str(embedded.psql_path())
    psql = psql or "psql"
    program = _program()
    # Without a URL, commands find the embedded server of the folder they are started in.
    found = embedded_server and folder is None and "DATABASE_URL" not in os.environ
    database_option = "" if found else f" --database-url {quoted}"
    query = shlex.quote("select * from drip_report.sequence_overview")
    page = [] if html is None else [("The report as a page, for any browser", str(html))]
    hints = [
        *page,
        ("The report, any time", f"{program} report{database_option}"),
        ("The same for programs", f"{program} report --json{database_option}"),
        ("Reporting views, for BI tools", f"{psql} {quoted} -x -c {query}"),
        ("Everything else, in SQL", f"{psql} {quoted}"),
    ]
    if embedded_server:
        option = "" if folder is None else f" --folder {shlex.quote(str(folder))}"
        hints.append(("The server keeps running; stop it", f"{program} demo --stop{option}"))
    out.rule("Where to look next")
    for what, command in hints:
        out.print(f"{what}:", highlight=False)
        out.print(f"    {command}", markup=False, highlight=False, soft_wrap=True)


def _program() -> str:
    """How this program was started, as the user would type it."""
    started = Path(sys.argv[0])
    if started.name != "pgdrip":
        return f"{shlex.quote(sys.executable)} -m pgdrip"
    if shutil.which("pgdrip") == str(started.absolute()):
        return "pgdrip"
    near = os.path.relpath(started)
    return shlex.quote(str(started) if near.startswith("..") else near)
