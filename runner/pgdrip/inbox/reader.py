"""Reads mailboxes over IMAP, from where each was left, and records what they hold.

A message is recorded before its place is remembered: a reader that dies in between reads it again,
and the database knows it by its name. The folder is opened read-only: flags stay as they are.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from imap_tools import AND, MailBox, MailboxLoginError, MailBoxUnencrypted
from imap_tools.mailbox import BaseMailBox
from psycopg.types.json import Jsonb

from pgdrip.inbox.parse import Fact, name_of, parse
from pgdrip.log import get_logger

#: Messages per command; each is recorded and remembered for itself.
_BATCH = 50
_TIMEOUT = 60
#: A larger message is passed by: INB06.
MAX_BYTES = 25 * 1024 * 1024
#: Then it is another mailbox's turn; what is left is read the next time.
MAX_SECONDS = 300.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
log = get_logger()

Connection = psycopg.Connection[Any]


class InboxError(Exception):
    """A mailbox cannot be read; the others are."""


class _TooLargeError(Exception):
    """A server sends more than it said a message has."""


@dataclass(slots=True)
class Inbox:
    """A mailbox, as ``drip.inboxes`` describes it."""

    organization_id: int
    channel_account_id: int
    account_key: str
    config: dict[str, Any]
    secret_ref: str | None
    folder: str
    uid_validity: int | None = None
    last_uid: int | None = None


@dataclass(slots=True)
class Tally:
    """What one pass did."""

    messages: int = 0
    letters: int = 0
    reports: int = 0
    problems: int = 0


def list_inboxes(connection: Connection, organization_id: int | None) -> list[Inbox]:
    """Every mailbox that the login may read. Raises PT404 of the function."""
    rows = connection.execute("select * from drip.inboxes(%s)", (organization_id,)).fetchall()
    return [Inbox(**next(iter(row.values())) if isinstance(row, dict) else row[0]) for row in rows]


def read_inbox(connection: Connection, inbox: Inbox, secret: Callable[[str], str]) -> Tally:
    """Read what is new in a mailbox. Raises ``InboxError``; database errors pass through."""
    tally = Tally()
    try:
        with _opened(inbox, secret) as mailbox:
            status = mailbox.folder.status(inbox.folder, ["UIDVALIDITY"])
            validity = int(status["UIDVALIDITY"])
            last = inbox.last_uid or 0 if inbox.uid_validity == validity else 0
            until = time.monotonic() + MAX_SECONDS
            for uid, raw in _messages_after(mailbox, last):
                if raw is None:
                    tally.problems += 1
                    log.warning("message too large", code="INB06", account=inbox.account_key)
                else:
                    for fact in parse(raw, name_of(raw)):
                        _record(connection, inbox, fact, tally)
                tally.messages += 1
                inbox.uid_validity, inbox.last_uid = validity, uid
                _remember(connection, inbox)
                if time.monotonic() > until:
                    log.info("mailbox read on later", account=inbox.account_key)
                    break
    except MailboxLoginError as error:
        raise InboxError(f"the login was refused: {type(error).__name__}") from error
    except (OSError, ssl.SSLError, TimeoutError) as error:
        raise InboxError(f"the server is not there: {error}") from error
    except psycopg.Error:
        raise
    except Exception as error:
        # imaplib raises its own classes, imap-tools others
        raise InboxError(f"the server answered badly: {type(error).__name__}") from error
    return tally


@contextmanager
def _opened(inbox: Inbox, secret: Callable[[str], str]) -> Iterator[BaseMailBox]:
    config = inbox.config
    host, security = str(config.get("host", "")), str(config.get("security", "tls"))
    if not host or security not in {"tls", "none"}:
        raise InboxError("config.inbox needs host; security is tls or none")
    if security == "none" and host not in _LOOPBACK:
        raise InboxError("without TLS a password goes nowhere but to this machine")
    password = secret(inbox.secret_ref) if inbox.secret_ref else ""
    mailbox: BaseMailBox
    if security == "tls":
        context = ssl.create_default_context()
        port = int(config.get("port", 993))
        mailbox = MailBox(host, port, timeout=_TIMEOUT, ssl_context=context)
    else:
        mailbox = MailBoxUnencrypted(host, int(config.get("port", 143)), timeout=_TIMEOUT)
    _bound(mailbox)
    mailbox.login(str(config.get("username", "")), password, initial_folder=None)
    try:
        mailbox.folder.set(inbox.folder, readonly=True)
        yield mailbox
    finally:
        mailbox.logout()


def _bound(mailbox: BaseMailBox) -> None:
    """Nothing that a server sends in one piece takes more memory than a message may."""
    read = mailbox.client.read

    def read_bounded(size: int) -> bytes:
        if size > MAX_BYTES:
            raise _TooLargeError
        return bytes(read(size))

    mailbox.client.read = read_bounded  # type: ignore[method-assign]


def _messages_after(mailbox: BaseMailBox, last: int) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each message, in their order; none of one that is too large.

    One that cannot be fetched is passed by.
    """
    # "n:*" names the last message also where its number is smaller
    uids = [int(uid) for uid in mailbox.uids(AND(uid=f"{last + 1}:*")) if int(uid) > last]
    uids.sort()
    for start in range(0, len(uids), _BATCH):
        for uid in uids[start : start + _BATCH]:
            kind, data = mailbox.client.uid("fetch", str(uid), "(RFC822.SIZE)")
            size = re.search(rb"RFC822\.SIZE (\d+)", (data or [b""])[0] or b"")
            if size is not None and int(size.group(1)) > MAX_BYTES:
                yield uid, None
                continue
            kind, data = mailbox.client.uid("fetch", str(uid), "(BODY.PEEK[])")
            parts = [part for part in data or () if isinstance(part, tuple)]
            if kind == "OK" and parts:
                yield uid, bytes(parts[0][1])
            else:
                # it was deleted meanwhile
                log.debug("message gone", uid=uid)


def _record(connection: Connection, inbox: Inbox, fact: Fact, tally: Tally) -> None:
    try:
        if fact.kind == "report":
            _call(
                connection,
                "select drip.record_provider_event(%s, %s)",
                (inbox.organization_id, Jsonb(fact.body)),
            )
            tally.reports += 1
        else:
            _call(
                connection,
                "select drip.record_inbound(%s, %s)",
                (inbox.organization_id, Jsonb(fact.body)),
            )
            tally.letters += 1
    except psycopg.Error as error:
        if error.sqlstate != "PT422":
            raise
        # nothing that can be mended by reading it again
        tally.problems += 1
        log.warning("message not understood", code="INB02", account=inbox.account_key)


def _remember(connection: Connection, inbox: Inbox) -> None:
    _call(
        connection,
        "select drip.inbox_read(%s, %s, %s, %s, %s)",
        (
            *(inbox.organization_id, inbox.channel_account_id, inbox.folder),
            *(inbox.uid_validity, inbox.last_uid),
        ),
    )


def _call(connection: Connection, statement: LiteralString, values: tuple[object, ...]) -> None:
    """One call, in a transaction that waits for nobody for long: not for a tenant's, say."""
    with connection.transaction():
        connection.execute("select set_config('lock_timeout', '5s', true)")
        connection.execute(statement, values)
