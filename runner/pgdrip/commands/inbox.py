"""``pgdrip inbox``: reads the mailboxes of senders for what comes back (extra ``inbox``)."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import psycopg
import typer

from pgdrip.commands.session import DatabaseUrlOption, connect, database_url
from pgdrip.errors import PgdripError
from pgdrip.log import configure_logging, get_logger
from pgdrip.providers.base import DeliveryError
from pgdrip.providers.secrets import secret_resolver
from pgdrip.settings import load_settings


def inbox(
    once: Annotated[bool, typer.Option("--once", help="Read what there is, then end.")] = False,
    interval: Annotated[
        float, typer.Option(min=1, help="Seconds between two looks at the mailboxes.")
    ] = 60.0,
    organization_id: Annotated[
        int | None,
        typer.Option(help="Only this one; default: all of the login."),
    ] = None,
    url: DatabaseUrlOption = None,
) -> None:
    """Read the mailboxes of senders (config.inbox): answers, absence notes, bounces, complaints.

    The flags of the mailbox stay as they are; each message is recorded once, however often it is
    read. Needs a login in the role drip_runner.
    """
    try:
        from pgdrip.inbox.reader import InboxError, list_inboxes, read_inbox
    except ImportError as error:
        raise PgdripError(
            "INB01",
            f"the extra inbox is not installed: {error}",
            "Run: pip install 'pgdrip[inbox]'",
        ) from error
    settings = load_settings(database_url=url)
    configure_logging(settings.log_format, settings.log_level)
    log = get_logger()
    secret = secret_resolver(settings.secret_dir)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def look() -> None:
        with connect(database_url(url)) as connection:
            for each in list_inboxes(connection, organization_id):
                if stop.is_set():
                    return
                try:
                    tally = read_inbox(connection, each, secret)
                except (InboxError, DeliveryError) as error:
                    key, why = each.account_key, str(error)
                    log.error("mailbox not read", code="INB03", account=key, why=why)
                    continue
                except psycopg.Error as error:
                    if connection.closed:
                        raise
                    key, state = each.account_key, error.sqlstate
                    log.error("mailbox not recorded", code="INB05", account=key, sqlstate=state)
                    continue
                if tally.messages:
                    log.info(
                        "mailbox read",
                        account=each.account_key,
                        messages=tally.messages,
                        letters=tally.letters,
                        reports=tally.reports,
                        problems=tally.problems,
                    )

    while not stop.is_set():
        try:
            look()
        except (PgdripError, psycopg.Error) as error:
            if once:
                raise
            log.error("mailboxes not read", code="INB04", error=str(error))
        if once:
            return
        stop.wait(interval)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("inbox")(inbox)
