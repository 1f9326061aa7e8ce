"""A real SMTP server on loopback that behaves like the world, and remembers what it did.

Programmable per recipient (greylisting, refusals, mailbox full, a connection dropped after the
content), per stage (any reply, silence, a dropped connection), and in time (outages between two
instants of a clock the caller owns, which may be virtual). Its log of accepted messages is
independent of the database, so both can be compared.

Plain asyncio: STARTTLS and AUTH (PLAIN, LOGIN) included. Not for production mail.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import default as default_policy
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO, TypeVar

Clock = Callable[[], datetime]
T = TypeVar("T")

#: Instead of a reply: close the connection without one.
DROP = "drop"
#: Instead of a reply: keep silent until the client gives up.
HANG = "hang"

_MAX_LINE = 65_536
_MAX_MESSAGE = 10 * 1024 * 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How one recipient's mailbox behaves.

    ``rcpt`` is the reply to RCPT, ``content`` the reply to the message (or ``DROP``, ``HANG``);
    both None accept. ``greylist`` is how many times 451 4.7.1 comes first.
    """

    rcpt: str | None = None
    content: str | None = None
    greylist: int = 0


ACCEPT = Mailbox()
UNKNOWN_USER = Mailbox(rcpt="550 5.1.1 No such user here")
MAILBOX_FULL = Mailbox(rcpt="552 5.2.2 Mailbox full")
DROP_AFTER_DATA = Mailbox(content=DROP)


def greylist(times: int) -> Mailbox:
    """A mailbox that accepts at the attempt after ``times`` refusals."""
    return Mailbox(greylist=times)


@dataclass(frozen=True, slots=True)
class Outage:
    """The server is away from ``start`` until before ``end``.

    ``refuse`` closes each connection at once, ``421`` says so first.
    """

    start: datetime
    end: datetime
    mode: Literal["refuse", "421"] = "refuse"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message for which the server said 250. ``size`` in bytes, ``at`` by the given clock."""

    at: datetime
    mail_from: str
    rcpt_to: str
    message_id: str
    subject: str
    size: int
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal and at which stage; ``code`` 0 for a connection that was just closed."""

    at: datetime
    stage: str
    code: int
    reply: str
    rcpt_to: str | None = None


@dataclass(slots=True)
class _Session:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encrypted: bool = False
    user: str | None = None
    mail_from: str | None = None
    rcpt_to: list[str] = field(default_factory=list)


class _Closed(Exception):
    """The session is over."""


class SmtpWorld:
    """The server: an async context manager, or ``with SmtpWorld().in_thread() as world``.

    ``mailboxes`` maps addresses (lower case) to behaviours, ``replies`` maps stages (``connect
    ehlo starttls auth mail rcpt data content``) to a reply for everybody; both may be changed
    while the server runs.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = _utc_now,
        mailboxes: Mapping[str, Mailbox] | None = None,
        replies: Mapping[str, str] | None = None,
        outages: list[Outage] | None = None,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: Mapping[str, str] | None = None,
        extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
        keep_content: bool = False,
        log_file: Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.clock = clock
        self.mailboxes = {name.lower(): mailbox for name, mailbox in (mailboxes or {}).items()}
        self.replies = dict(replies or {})
        self.outages = list(outages or [])
        self.accepted: list[Accepted] = []
        self.refused: list[Refused] = []
        self.connection_count = 0
        self.content_count = 0
        self.command_count: Counter[str] = Counter()
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._users = users
        self._extensions = extensions
        self._keep_content = keep_content
        self._log_path = log_file
        self._log: TextIO | None = None
        self._seen: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._changed: asyncio.Event | None = None
        self._held = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- running --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen; ``port`` 0 becomes the port that was given."""
        if self._log_path is not None:
            self._log = self._log_path.open("w", encoding="utf-8")
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(
            self._on_connection,
            self.host,
            self.port,
            limit=_MAX_LINE,
            backlog=1024,
            ssl=self._tls if self._implicit_tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every session."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._log is not None:
            self._log.close()
            self._log = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @contextlib.contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Run in a thread with an event loop of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="smtp-world", daemon=True)
        thread.start()

        def call(work: Coroutine[Any, Any, T]) -> T:
            future: Future[T] = asyncio.run_coroutine_threadsafe(work, loop)
            return future.result(timeout=30)

        try:
            call(self.start())
            try:
                yield self
            finally:
                call(self.stop())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at whenever something happened here."""
        if self._changed is None:
            raise RuntimeError("the server is not running")
        while not condition():
            await self._changed.wait()

    def hold(self) -> None:
        """From now on, read messages but do not answer them."""
        self._held = True

    def resume(self) -> None:
        """Answer what was held, and everything after it. Safe from any thread."""
        self._held = False
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._notify)

    @property
    def config(self) -> dict[str, Any]:
        """The ``config`` of a channel account that sends through this server without TLS."""
        return {"host": self.host, "port": self.port, "tls": "none"}

    # -- a session ------------------------------------------------------------------------------

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
        self.connection_count += 1
        self._notify()
        session = _Session(reader, writer, encrypted=self._implicit_tls)
        try:
            with contextlib.suppress(
                _Closed, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError
            ):
                await self._serve(session)
            writer.close()
            # After a failed TLS handshake the end of the connection is never reported.
            with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
                await asyncio.wait_for(writer.wait_closed(), 1)
        except asyncio.CancelledError:
            pass  # stop() cancels what is left; asyncio.streams reports a cancelled handler
        finally:
            writer.transport.abort()

    async def _serve(self, session: _Session) -> None:
        outage = self._outage()
        if outage is not None:
            if outage.mode == "refuse":
                self._refuse("connect", "000 connection closed")
                session.writer.transport.abort()
                raise _Closed
            await self._answer(session, "connect", "421 4.3.2 Service not available, try later")
            raise _Closed
        await self._answer(session, "connect", self.replies.get("connect", "220 world ESMTP"))
        while True:
            line = await session.reader.readline()
            if not line.endswith(b"\n"):
                return
            verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            self.command_count[verb.upper()] += 1
            self._notify()
            handler = self._handlers.get(verb.upper())
            if handler is None:
                await self._answer(session, "unknown", "500 5.5.2 Command not recognized")
            else:
                await handler(self, session, argument)

    async def _ehlo(self, session: _Session, argument: str) -> None:
        session.mail_from = None
        if (reply := self.replies.get("ehlo")) is not None:
            await self._answer(session, "ehlo", reply)
            return
        lines = ["world greets you", *self._extensions, f"SIZE {_MAX_MESSAGE}"]
        if self._tls is not None and not session.encrypted:
            lines.append("STARTTLS")
        if self._users is not None:
            lines.append("AUTH PLAIN LOGIN")
        for line in lines[:-1]:
            session.writer.write(f"250-{line}\r\n".encode())
        await self._answer(session, "ehlo", f"250 {lines[-1]}")

    async def _helo(self, session: _Session, argument: str) -> None:
        session.mail_from = None
        await self._answer(session, "helo", self.replies.get("helo", "250 world"))

    async def _starttls(self, session: _Session, argument: str) -> None:
        reply = self.replies.get("starttls")
        if reply is not None or self._tls is None:
            await self._answer(session, "starttls", reply or "454 4.7.0 TLS not available")
            return
        await self._answer(session, "starttls", "220 2.0.0 Ready to start TLS")
        await session.writer.start_tls(self._tls)
        session.encrypted = True
        session.mail_from = session.user = None

    async def _auth(self, session: _Session, argument: str) -> None:
        if (reply := self.replies.get("auth")) is not None:
            await self._answer(session, "auth", reply)
            return
        mechanism, _, initial = argument.partition(" ")
        try:
            if mechanism.upper() == "PLAIN":
                answer = initial or await self._challenge(session, "")
                _, user, password = base64.b64decode(answer).decode().split("\x00")
            elif mechanism.upper() == "LOGIN":
                answer = initial or await self._challenge(session, "Username:")
                user = base64.b64decode(answer).decode()
                password = base64.b64decode(await self._challenge(session, "Password:")).decode()
            else:
                await self._answer(session, "auth", "504 5.5.4 Unrecognized authentication type")
                return
        except (binascii.Error, ValueError):
            await self._answer(session, "auth", "501 5.5.2 Cannot decode")
            return
        if self._users is None or self._users.get(user) != password:
            await self._answer(session, "auth", "535 5.7.8 Authentication credentials invalid")
            return
        session.user = user
        await self._answer(session, "auth", "235 2.7.0 Authentication successful")

    async def _challenge(self, session: _Session, text: str) -> str:
        session.writer.write(b"334 " + base64.b64encode(text.encode()) + b"\r\n")
        await session.writer.drain()
        return (await session.reader.readline()).decode("ascii", "replace").strip()

    async def _mail(self, session: _Session, argument: str) -> None:
        if self._outage() is not None:
            await self._answer(session, "mail", "421 4.3.2 Service not available, try later")
            return
        reply = self.replies.get("mail")
        if reply is None and self._users is not None and session.user is None:
            reply = "530 5.7.0 Authentication required"
        if reply is None and session.mail_from is not None:
            reply = "503 5.5.1 Nested MAIL command"
        if reply is None:
            session.mail_from, session.rcpt_to = _path(argument), []
        await self._answer(session, "mail", reply or "250 2.1.0 Ok")

    async def _rcpt(self, session: _Session, argument: str) -> None:
        recipient = _path(argument)
        mailbox = self._mailbox(recipient)
        reply = self.replies.get("rcpt") or mailbox.rcpt
        if session.mail_from is None:
            reply = "503 5.5.1 MAIL first"
        elif reply is None and self._seen[recipient.lower()] < mailbox.greylist:
            self._seen[recipient.lower()] += 1
            reply = "451 4.7.1 Greylisted, please try again later"
        if reply is None:
            session.rcpt_to.append(recipient)
        await self._answer(session, "rcpt", reply or "250 2.1.5 Ok", recipient)

    async def _data(self, session: _Session, argument: str) -> None:
        if session.mail_from is None or not session.rcpt_to:
            await self._answer(session, "data", "503 5.5.1 RCPT first")
            return
        if (refusal := self.replies.get("data")) is not None:
            await self._answer(session, "data", refusal)
            return
        await self._answer(session, "data", "354 End data with <CR><LF>.<CR><LF>")
        content = await self._read_content(session.reader)
        self.content_count += 1
        self._notify()
        await self.wait_for(lambda: not self._held)
        recipients, sender = session.rcpt_to, session.mail_from
        session.mail_from, session.rcpt_to = None, []
        reply = self.replies.get("content") or next(
            (box.content for box in map(self._mailbox, recipients) if box.content is not None), None
        )
        if reply is None:
            for recipient in recipients:
                self._accept(sender, recipient, content)
        text = reply or f"250 2.0.0 Ok: queued as {len(self.accepted):06d}"
        await self._answer(session, "content", text, recipients[0])

    async def _rset(self, session: _Session, argument: str) -> None:
        session.mail_from, session.rcpt_to = None, []
        await self._answer(session, "rset", "250 2.0.0 Ok")

    async def _noop(self, session: _Session, argument: str) -> None:
        await self._answer(session, "noop", "250 2.0.0 Ok")

    async def _quit(self, session: _Session, argument: str) -> None:
        await self._answer(session, "quit", "221 2.0.0 Bye")
        raise _Closed

    _handlers = {  # noqa: RUF012
        "EHLO": _ehlo,
        "HELO": _helo,
        "STARTTLS": _starttls,
        "AUTH": _auth,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "QUIT": _quit,
    }

    # -- behaviour ------------------------------------------------------------------------------

    def _outage(self) -> Outage | None:
        if not self.outages:
            return None
        now = self.clock()
        return next((outage for outage in self.outages if outage.start <= now < outage.end), None)

    def _mailbox(self, address: str) -> Mailbox:
        return self.mailboxes.get(address.lower(), ACCEPT)

    async def _read_content(self, reader: asyncio.StreamReader) -> bytes:
        lines: list[bytes] = []
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise _Closed
            if line in (b".\r\n", b".\n"):
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    async def _answer(
        self, session: _Session, stage: str, reply: str, rcpt_to: str | None = None
    ) -> None:
        """Send a reply; codes from 400 on are logged, 421 and ``DROP`` end the session."""
        if reply == DROP:
            self._refuse(stage, "000 connection closed", rcpt_to)
            session.writer.transport.abort()
            raise _Closed
        if reply == HANG:
            self._refuse(stage, "000 no answer", rcpt_to)
            await session.reader.read()
            raise _Closed
        if reply[0] in "45":
            self._refuse(stage, reply, rcpt_to)
        session.writer.write(reply.encode() + b"\r\n")
        await session.writer.drain()
        if reply.startswith("421"):
            raise _Closed

    def _accept(self, mail_from: str, rcpt_to: str, content: bytes) -> None:
        headers = BytesHeaderParser(policy=default_policy).parsebytes(content)
        entry = Accepted(
            at=self.clock(),
            mail_from=mail_from,
            rcpt_to=rcpt_to,
            message_id=str(headers.get("Message-ID", "")).strip(),
            subject=str(headers.get("Subject", "")),
            size=len(content),
            content=content if self._keep_content else None,
        )
        self.accepted.append(entry)
        self._write_log("accepted", entry)

    def _refuse(self, stage: str, reply: str, rcpt_to: str | None = None) -> None:
        code = int(reply[:3]) if reply[:3].isdigit() else 0
        entry = Refused(at=self.clock(), stage=stage, code=code, reply=reply, rcpt_to=rcpt_to)
        self.refused.append(entry)
        self._write_log("refused", entry)

    def _write_log(self, kind: str, entry: Accepted | Refused) -> None:
        self._notify()
        if self._log is not None:
            values = {name: value for name, value in asdict(entry).items() if name != "content"}
            self._log.write(json.dumps({"kind": kind, **values}, default=str) + "\n")
            self._log.flush()

    def _notify(self) -> None:
        if self._changed is not None:
            # Wakes whoever waits now; the next one waits for the next change.
            self._changed.set()
            self._changed.clear()


def _path(argument: str) -> str:
    """The address of ``FROM:<ann@example.org> SIZE=1``."""
    return argument.partition("<")[2].rpartition(">")[0]
